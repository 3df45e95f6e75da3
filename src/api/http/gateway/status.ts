// Errors of calls as HTTP answers: the status that belongs to a gRPC code, and the bodies in which
// the gateway says what went wrong. Used by the gateway and by /kv.

import type { HttpResponse } from '../../../base/call.js';
import type { WireStatus } from '../../../base/errors.js';

/** Codes of gRPC that are made here, without a call. */
export const Code = {
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  ResourceExhausted: 8,
  Unimplemented: 12,
  Internal: 13,
  Unauthenticated: 16,
} as const;

/** By gRPC code. 499 is the one that nginx uses for a client that has gone. */
const httpStatuses = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];

export function httpStatus(code: number): number {
  return httpStatuses[code] ?? 500;
}

/** What the body says; a code or text that has its default is left out. */
export function statusJson({ code, text }: WireStatus): string {
  const members = [
    ...(code === 0 ? [] : [`"code":${code}`]),
    ...(text === '' ? [] : [`"message":${JSON.stringify(text)}`]),
  ];
  return `{${members.join(',')}}`;
}

/** What a header may hold of a text: line ends would end the header. */
function headerText(text: string): string {
  return text.replace(/[^\t\u0020-\u007e\u0080-\u00ff]/g, ' ').trim();
}

/** The answer to a unary call that failed. */
export function errorReply(status: WireStatus): HttpResponse {
  const challenge =
    status.code === Code.Unauthenticated ? { 'www-authenticate': headerText(status.text) } : {};
  return {
    status: httpStatus(status.code),
    headers: { 'content-type': 'application/json', ...challenge },
    body: statusJson(status),
  };
}
