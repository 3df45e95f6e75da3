// Unknown methods: the library answers them with a text of its own and offers no hook. Its handlers
// stand in a Map; a Map that makes up a handler for a path it does not hold gives the documented
// text. Should a later version of the library keep them elsewhere, its own text is sent again.

import type grpc from '@grpc/grpc-js';

export interface HandlerEntry {
  readonly func: grpc.handleBidiStreamingCall<Buffer, Buffer>;
  readonly serialize: (message: Buffer) => Buffer;
  readonly deserialize: (bytes: Buffer) => Buffer;
  readonly type: 'bidi';
  readonly path: string;
}

class FallbackMap extends Map<string, unknown> {
  readonly #fallback: (path: string) => HandlerEntry;

  constructor(known: ReadonlyMap<string, unknown>, fallback: (path: string) => HandlerEntry) {
    super();
    this.#fallback = fallback;
    for (const [path, handler] of known) {
      this.set(path, handler);
    }
  }

  override get(path: string): unknown {
    return super.get(path) ?? this.#fallback(path);
  }
}

/** Gives a server an answer for methods that are not registered; call after registering. */
export function withFallback(server: grpc.Server, fallback: (path: string) => HandlerEntry): void {
  const internals = server as unknown as { handlers?: unknown };
  if (internals.handlers instanceof Map) {
    internals.handlers = new FallbackMap(internals.handlers, fallback);
  }
}
