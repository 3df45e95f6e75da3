// The KV service. Bytes go to native code as they came and replies come back as bytes: admission,
// validation, execution and encoding are native, for all transports alike.

import type { Member } from '../../server/member.js';
import { rangeStream } from './range-stream.js';
import { type Service, stream, unary } from './service.js';

export function kvService(member: Member): Service {
  return {
    Range: unary((_context, request) => member.execute('Range', request)),
    RangeStream: stream(async (_context, call) => {
      const request = await call.receive();
      await rangeStream(member, request ?? Buffer.alloc(0), (message) => call.send(message));
    }),
    Put: unary((_context, request) => member.execute('Put', request)),
    DeleteRange: unary((_context, request) => member.execute('DeleteRange', request)),
    Txn: unary((_context, request) => member.execute('Txn', request)),
    Compact: unary((_context, request) => member.execute('Compact', request)),
  };
}
