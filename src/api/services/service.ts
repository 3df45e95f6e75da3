// The form in which each service hands over its handlers: by method name, as in its .proto file.
// Used by each service and by the table that puts them together.

import type { Handler, StreamHandler, UnaryHandler } from '../../base/call.js';

export type Service = Readonly<Record<string, Handler>>;

export function unary(handle: UnaryHandler): Handler {
  return { kind: 'unary', handle };
}

export function stream(handle: StreamHandler): Handler {
  return { kind: 'stream', handle };
}
