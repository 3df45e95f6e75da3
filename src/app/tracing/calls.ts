// A span for every call of a client, whichever way it comes: under the caller's span where its
// metadata names one (W3C trace context), with the names and attributes of OpenTelemetry's
// conventions for gRPC. compose wraps the table of handlers with it when tracing is on.

import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';

import type { CallContext, Handler, HandlerTable } from '../../base/call.js';
import type { ErrorTable, WireStatus } from '../../base/errors.js';
import { detailOf } from './details.js';

export interface TracedCalls {
  /** Makes the spans of calls. */
  readonly calls: Tracer;
  /** Makes the spans of what they ask for. */
  readonly work: Tracer;
  /** Where the server listens. */
  readonly address: { readonly host: string; readonly port: number };
  readonly errors: ErrorTable;
}

const statusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** Statuses that are the server's fault: its spans are errors then. */
const serverFaults = new Set([2, 4, 12, 13, 14, 15]);
const CANCELLED = 1;

const TRACE_PARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;

/** The caller's span, when its metadata names one in the right form. */
export function parentOf(context: Pick<CallContext, 'metadata'>): Context {
  const [, traceId = '', spanId = '', flags = ''] =
    TRACE_PARENT.exec(context.metadata('traceparent') ?? '') ?? [];
  const state = context.metadata('tracestate');
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  };
  // All zeros name nothing, which the library knows.
  return trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

function finish(span: Span, status: WireStatus | null): void {
  const code = status?.code ?? 0;
  span.setAttribute('rpc.response.status_code', statusNames[code] ?? String(code));
  if (status !== null && serverFaults.has(code)) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: status.text });
  }
  span.end();
}

function tracedHandler(path: string, handler: Handler, parts: TracedCalls): Handler {
  const { calls, work, address, errors } = parts;
  const name = path.slice(1);
  const start = (context: CallContext) => {
    const parent = parentOf(context);
    const attributes = {
      'rpc.method': name,
      'rpc.system.name': 'grpc',
      'server.address': address.host,
      'server.port': address.port,
    };
    const span = calls.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    return { span, own: trace.setSpan(parent, span) };
  };
  const run = async <T>(context: CallContext, span: Span, answer: Promise<T>): Promise<T> => {
    // When nobody waits for the rest of a stream, it does not matter how that would have been.
    const isGone = () => context.signal.aborted && handler.kind === 'stream';
    const gone = { code: CANCELLED, text: '' };
    try {
      const value = await answer;
      finish(span, isGone() ? gone : null);
      return value;
    } catch (error) {
      finish(span, isGone() ? gone : errors.status(error));
      throw error;
    }
  };
  if (handler.kind === 'stream') {
    const handle: typeof handler.handle = (context, stream) => {
      const { span } = start(context);
      return run(context, span, handler.handle(context, stream));
    };
    return { kind: 'stream', handle };
  }
  const handle: typeof handler.handle = async (context, request) => {
    const { span, own } = start(context);
    const detail = span.isRecording() ? detailOf(path, request) : null;
    const { attributes = {} } = detail ?? {};
    const part = detail === null ? null : work.startSpan(detail.name, { attributes }, own);
    try {
      return await run(context, span, handler.handle(context, request));
    } finally {
      part?.end();
    }
  };
  return { kind: 'unary', handle };
}

/** The same handlers, with a span around every call. */
export function traced(table: HandlerTable, parts: TracedCalls): HandlerTable {
  return new Map([...table].map(([path, handler]) => [path, tracedHandler(path, handler, parts)]));
}
