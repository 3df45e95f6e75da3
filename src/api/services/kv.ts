// The KV service. Bytes go to native code as they came and replies come back as bytes: admission,
// validation, execution and encoding are native, for all transports alike.

import { MetaStoreError } from '../../base/errors.js';
import type { Member } from '../../server/member.js';
import { rangeStream } from './range-stream.js';
import { type Service, stream, unary } from './service.js';

export function kvService(member: Member): Service {
  return {
    Range: unary((_context, request) => member.execute('Range', request)),
    RangeStream: stream(async (context, call) => {
      const request = await call.receive();
      // One chunk under way at a time: a slow client holds up nothing but its own stream.
      await rangeStream(member, request ?? Buffer.alloc(0), async (message) => {
        await new Promise<void>((resolve) => call.send(message, resolve));
        if (context.signal.aborted) {
          throw MetaStoreError.of('ContextCanceled');
        }
      });
    }),
    Put: unary((_context, request) => member.execute('Put', request)),
    DeleteRange: unary((_context, request) => member.execute('DeleteRange', request)),
    Txn: unary((_context, request) => member.execute('Txn', request)),
    Compact: unary((_context, request) => member.execute('Compact', request)),
  };
}
