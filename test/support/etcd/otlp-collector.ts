// A collector of traces for tests: takes OTLP over gRPC in clear text and keeps the spans, decoded
// as far as tests look at them. The message definitions are the fields of OpenTelemetry's trace
// protocol (opentelemetry-proto, trace/v1 and collector/trace/v1) that are needed for that.

import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const definitions = `
syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value {
    string string_value = 1;
    bool bool_value = 2;
    int64 int_value = 3;
    double double_value = 4;
  }
}
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  bytes parent_span_id = 4;
  string name = 5;
  int32 kind = 6;
  repeated KeyValue attributes = 9;
  Status status = 15;
}
message Status { string message = 2; int32 code = 3; }
`;

export interface CollectedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly statusCode: number;
  readonly statusMessage: string;
  readonly scope: string;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

interface RawValue {
  readonly stringValue?: string;
  readonly intValue?: number;
  readonly boolValue?: boolean;
  readonly doubleValue?: number;
}
type RawAttributes = readonly { readonly key: string; readonly value: RawValue }[];
interface RawSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: Uint8Array;
  readonly parentSpanId: Uint8Array;
  readonly attributes: RawAttributes;
  readonly status: { readonly code: number; readonly message: string } | null;
}
interface RawRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: RawAttributes } | null;
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string } | null;
      readonly spans: readonly RawSpan[];
    }[];
  }[];
}

function attributesOf(list: RawAttributes): Record<string, string | number | boolean> {
  return Object.fromEntries(
    list.map(({ key, value }) => [
      key,
      value.stringValue ?? value.intValue ?? value.boolValue ?? value.doubleValue ?? '',
    ]),
  );
}

export class OtlpCollector {
  readonly #server: grpc.Server;
  readonly spans: CollectedSpan[] = [];
  readonly port: number;

  private constructor(server: grpc.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(): Promise<OtlpCollector> {
    const server = new grpc.Server();
    const request = protobuf.parse(definitions).root.lookupType('Request');
    const made: { collector: OtlpCollector | null } = { collector: null };
    const handle: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      const decoded = request.decode(new Uint8Array(call.request));
      made.collector?.take(
        request.toObject(decoded, { defaults: true, arrays: true, longs: Number, oneofs: true }),
      );
      callback(null, Buffer.alloc(0));
    };
    const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
    server.register(
      path,
      handle,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      'unary',
    );
    const port = await new Promise<number>((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure();
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const collector = new OtlpCollector(server, port);
    made.collector = collector;
    return collector;
  }

  take(request: object): void {
    for (const { resource, scopeSpans } of (request as RawRequest).resourceSpans) {
      for (const { scope, spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            name: span.name,
            kind: span.kind,
            traceId: Buffer.from(span.traceId).toString('hex'),
            parentSpanId: Buffer.from(span.parentSpanId).toString('hex'),
            attributes: attributesOf(span.attributes.map((each) => each)),
            statusCode: span.status?.code ?? 0,
            statusMessage: span.status?.message ?? '',
            scope: scope?.name ?? '',
            resource: attributesOf(resource?.attributes ?? []),
          });
        }
      }
    }
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
