// What is counted of clients' calls, for whatever transport: started and ended by status, messages,
// bytes, time; and the word to say about slow ones. Wraps each handler twice when the table is
// built: outside the common checks for bytes, inside them for calls, as a call that the checks turn
// away was never begun. Adds plain numbers on the way; a scrape makes families of them.

import type {
  CallContext,
  Handler,
  ServerStream,
  StreamHandler,
  UnaryHandler,
} from '../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import type { Distribution, Value } from '../../base/metrics/family.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { diskMetrics } from '../../base/metrics/tables/disk.js';
import { networkMetrics } from '../../base/metrics/tables/network.js';
import { rpcMetrics } from '../../base/metrics/tables/rpc.js';
import { serverMetrics } from '../../base/metrics/tables/server.js';
import type { MethodDescription } from '../../base/proto/codec.js';
import type { RequestStats } from './request-stats.js';

/** gRPC's status codes by number, as metrics name them. */
export const codeNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

const CANCELED = 1;
const UNKNOWN = 2;
/** Clients choose the text of their version: more than these are counted as one. */
const CLIENT_VERSIONS_MAX = 200;
const CLIENT_VERSION_LENGTH_MAX = 64;

/** Services whose methods show no series before their first call. */
const lateServices: ReadonlySet<string> = new Set(['v3lockpb.Lock', 'v3electionpb.Election']);

const streamNames: Readonly<Record<string, string>> = {
  '/etcdserverpb.Watch/Watch': 'watch',
  '/etcdserverpb.Lease/LeaseKeepAlive': 'lease-keepalive',
};

export interface CallOptions {
  /** `--metrics=extensive`: the time of calls, too. */
  readonly extensive: boolean;
}

/** The numbers of one method. */
interface MethodCells {
  readonly started: Value;
  readonly received: Value;
  readonly sent: Value;
  /** By status code. */
  readonly handled: readonly Value[];
  readonly seconds: Distribution | null;
}

function typeOf({ requestStream, responseStream }: MethodDescription): string {
  if (requestStream) {
    return responseStream ? 'bidi_stream' : 'client_stream';
  }
  return responseStream ? 'server_stream' : 'unary';
}

function makeCells(metrics: Metrics, method: MethodDescription, extensive: boolean): MethodCells {
  const [, service = '', name = ''] = method.path.split('/');
  const labels = [typeOf(method), service, name];
  return {
    started: metrics.value(rpcMetrics.started, ...labels),
    received: metrics.value(rpcMetrics.received, ...labels),
    sent: metrics.value(rpcMetrics.sent, ...labels),
    handled: codeNames.map((code) => metrics.value(rpcMetrics.handled, ...labels, code)),
    seconds: extensive ? metrics.distribution(rpcMetrics.handlingSeconds, ...labels) : null,
  };
}

export class CallMeters {
  readonly #metrics: Metrics;
  readonly #errors: ErrorTable;
  readonly #stats: RequestStats;
  readonly #options: CallOptions;
  readonly #receivedBytes: Value;
  readonly #sentBytes: Value;
  readonly #versions = new Map<string, Value>();

  constructor(metrics: Metrics, errors: ErrorTable, stats: RequestStats, options: CallOptions) {
    this.#metrics = metrics;
    this.#errors = errors;
    this.#stats = stats;
    this.#options = options;
    this.#receivedBytes = metrics.value(networkMetrics.clientReceivedBytes);
    this.#sentBytes = metrics.value(networkMetrics.clientSentBytes);
  }

  /** Counts a call that has passed the checks up to its API version. Latin-1 text of a header. */
  counted(kind: Handler['kind'], version: string | undefined): void {
    const name = version ?? 'unknown';
    const key = kind === 'unary' ? `u${name}` : `s${name}`;
    let cell = this.#versions.get(key);
    if (cell === undefined) {
      const known =
        this.#versions.size < CLIENT_VERSIONS_MAX && name.length <= CLIENT_VERSION_LENGTH_MAX;
      const label = known ? Buffer.from(name, 'latin1').toString('utf8') : 'other';
      cell = this.#metrics.value(serverMetrics.clientRequests, kind, label);
      if (known) {
        this.#versions.set(key, cell);
      }
    }
    cell.add();
  }

  /** Counts bytes; around everything else. */
  outside(handler: Handler): Handler {
    if (handler.kind === 'stream') {
      const { handle } = handler;
      return {
        kind: 'stream',
        handle: (context, stream) => handle(context, this.#countedBytes(stream)),
      };
    }
    const { handle } = handler;
    return {
      kind: 'unary',
      handle: (context, request) => {
        this.#receivedBytes.value += request.length;
        return handle(context, request);
      },
    };
  }

  /** Counts calls and messages; between the common checks and the handler. */
  inside(handler: Handler, method: MethodDescription): Handler {
    const service = method.path.split('/')[1] ?? '';
    let made: MethodCells | null = null;
    const cells = (): MethodCells => {
      made ??= makeCells(this.#metrics, method, this.#options.extensive);
      return made;
    };
    if (!lateServices.has(service)) {
      cells();
    }
    return handler.kind === 'unary'
      ? { kind: 'unary', handle: this.#unary(handler.handle, method, cells) }
      : { kind: 'stream', handle: this.#stream(handler.handle, method, cells) };
  }

  #unary(handle: UnaryHandler, { path }: MethodDescription, cells: () => MethodCells) {
    return async (context: CallContext, request: Buffer): Promise<Buffer> => {
      const numbers = cells();
      const startMs = performance.now();
      numbers.started.value++;
      numbers.received.value++;
      try {
        const reply = await handle(context, request);
        const tookMs = performance.now() - startMs;
        this.#sentBytes.value += reply.length;
        this.#ended(numbers, 0, tookMs);
        this.#stats.ended(path, context, startMs, tookMs, request, reply);
        return reply;
      } catch (error) {
        const tookMs = performance.now() - startMs;
        this.#ended(numbers, this.#errors.status(error).code, tookMs);
        this.#stats.ended(path, context, startMs, tookMs, request, null);
        throw error;
      } finally {
        numbers.sent.value++;
      }
    };
  }

  #stream(handle: StreamHandler, { path }: MethodDescription, cells: () => MethodCells) {
    const api = streamNames[path] ?? 'unknown';
    const snapshots = path.endsWith('Maintenance/Snapshot')
      ? this.#metrics.distribution(diskMetrics.snapshotSeconds)
      : null;
    return async (context: CallContext, stream: ServerStream): Promise<void> => {
      const numbers = cells();
      const startMs = performance.now();
      numbers.started.value++;
      try {
        await handle(context, this.#countedMessages(stream, numbers, api));
        // A client that goes away ends its stream, too, and has no status from here.
        this.#ended(numbers, context.signal.aborted ? CANCELED : 0, performance.now() - startMs);
        snapshots?.observe((performance.now() - startMs) / 1000);
      } catch (error) {
        this.#ended(numbers, this.#errors.status(error).code, performance.now() - startMs);
        throw error;
      }
    };
  }

  #ended(numbers: MethodCells, code: number, tookMs: number): void {
    (numbers.handled[code] ?? (numbers.handled[UNKNOWN] as Value)).value++;
    numbers.seconds?.observe(tookMs / 1000);
  }

  #countedBytes(stream: ServerStream): ServerStream {
    return {
      receive: async () => {
        const message = await stream.receive();
        this.#receivedBytes.value += message?.length ?? 0;
        return message;
      },
      send: (message, taken) => {
        this.#sentBytes.value += message.length;
        stream.send(message, taken);
      },
    };
  }

  #countedMessages(stream: ServerStream, numbers: MethodCells, api: string): ServerStream {
    return {
      receive: async () => {
        numbers.received.value++;
        try {
          return await stream.receive();
        } catch (error) {
          if (!(error instanceof MetaStoreError && error.code === 'ContextCanceled')) {
            this.#metrics.value(networkMetrics.streamFailures, 'receive', api).add();
          }
          throw error;
        }
      },
      send: (message, taken) => {
        numbers.sent.value++;
        stream.send(message, taken);
      },
    };
  }
}
