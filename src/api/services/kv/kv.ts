// The KV service. Bytes go to native code as they came and replies come back as bytes: admission,
// validation, execution and encoding are native, for all transports alike.

import { MetaStoreError } from '../../../base/errors.js';
import type { Member } from '../../../server/member.js';
import type { Methods } from '../../../storage/native.js';
import type { Access } from '../../access.js';
import { type Service, stream, unary } from '../service.js';
import { rangeStream } from './range-stream.js';

export function kvService(member: Member, access: Access): Service {
  const run = (method: keyof Methods) =>
    unary((context, request) =>
      access.as(context, (caller) => member.execute(method, request, caller)),
    );
  return {
    Range: run('Range'),
    RangeStream: stream(async (context, call) => {
      const request = await call.receive();
      // One chunk under way at a time: a slow client holds up nothing but its own stream.
      await access.as(context, (caller) =>
        rangeStream(member, request ?? Buffer.alloc(0), caller, async (message) => {
          await new Promise<void>((resolve) => call.send(message, resolve));
          if (context.signal.aborted) {
            throw MetaStoreError.of('ContextCanceled');
          }
        }),
      );
    }),
    Put: run('Put'),
    DeleteRange: run('DeleteRange'),
    Txn: run('Txn'),
    Compact: run('Compact'),
  };
}
