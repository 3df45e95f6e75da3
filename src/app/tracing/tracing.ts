// Traces of calls, sent to a collector by OTLP over gRPC. Nothing of it is loaded unless it is
// switched on. Made and stopped by compose; a collector that is away costs spans, and nothing else.

import type { HandlerTable } from '../../base/call.js';
import type { ErrorTable } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { urlsOf } from '../config/validate.js';
import type { Flags } from '../flags/sources.js';

export interface TracingOptions {
  /** `host:port` of the collector, in clear text. */
  readonly address: string;
  readonly serviceName: string;
  /** Tells members apart; '' for nothing. */
  readonly instanceId: string;
  /** Of a million calls, how many are traced whose callers say nothing about it. */
  readonly perMillion: number;
  /** Where clients are served. */
  readonly server: { readonly host: string; readonly port: number };
}

/** Tracing that runs. */
export interface Tracing {
  traced(table: HandlerTable): HandlerTable;
  /** Sends what is left, for a second at most. */
  stop(): Promise<void>;
}

const MILLION = 1_000_000;
const STOP_MS = 1000;
const QUEUE_SPANS = 2048;

/** What is called when tracing is off. */
const off: Tracing = { traced: (table) => table, stop: async () => undefined };

/** What the flags say; null when tracing is off. */
export function tracingOptions(flags: Flags): TracingOptions | null {
  if (!flags.bool('enable-distributed-tracing')) {
    return null;
  }
  const [url] = urlsOf(flags, 'listen-client-urls');
  return {
    address: flags.text('distributed-tracing-address'),
    serviceName: flags.text('distributed-tracing-service-name'),
    instanceId: flags.text('distributed-tracing-instance-id'),
    perMillion: flags.number('distributed-tracing-sampling-rate'),
    server: { host: url?.host || (url?.path ?? ''), port: url?.port ?? 0 },
  };
}

async function start(options: TracingOptions, errors: ErrorTable, log: Logger): Promise<Tracing> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }, calls] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-grpc'),
    import('@opentelemetry/resources'),
    import('./calls.js'),
  ]);
  const warn = (text: string) => log.warn('failed to export traces', { error: text });
  const silent = () => undefined;
  api.diag.setLogger(
    { error: warn, warn, info: silent, debug: silent, verbose: silent },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const { address, serviceName, instanceId, perMillion, server } = options;
  const exporter = new OTLPTraceExporter({ url: `http://${address}` });
  const root =
    perMillion > 0
      ? new sdk.TraceIdRatioBasedSampler(perMillion / MILLION)
      : new sdk.AlwaysOffSampler();
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      ...(instanceId === '' ? {} : { 'service.instance.id': instanceId }),
    }),
    sampler: new sdk.ParentBasedSampler({ root }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { maxQueueSize: QUEUE_SPANS })],
  });
  log.info('distributed tracing setup enabled', { address });
  const tracers = {
    calls: provider.getTracer('metastore/grpc'),
    work: provider.getTracer('metastore'),
  };
  return {
    traced: (table) => calls.traced(table, { ...tracers, address: server, errors }),
    stop: async () => {
      let limit: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        limit = setTimeout(resolve, STOP_MS);
      });
      await Promise.race([provider.shutdown().catch(warn), late]);
      clearTimeout(limit);
    },
  };
}

/** Starts tracing, or gives what does nothing when there are no options. */
export async function openTracing(
  options: TracingOptions | null,
  errors: ErrorTable,
  log: Logger,
): Promise<Tracing> {
  return options === null ? off : start(options, errors, log);
}
