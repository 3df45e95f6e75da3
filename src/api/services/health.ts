// The standard gRPC health service for the whole process: the one service known is the empty name,
// and it is serving while calls are accepted at all.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext, ServerStream } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import * as rpc from '../../base/proto/messages.js';
import { type Service, stream, unary } from './service.js';

const SERVING = 1;
const SERVICE_UNKNOWN = 3;

async function watch(context: CallContext, call: ServerStream): Promise<void> {
  const request = await call.receive();
  const { service } = rpc.healthCheckRequest.decode(bytesOf(request ?? Buffer.alloc(0)));
  const status = service === '' ? SERVING : SERVICE_UNKNOWN;
  call.send(rpc.healthCheckResponse.encode({ status }));
  await new Promise<void>((resolve) => {
    context.signal.addEventListener('abort', () => resolve(), { once: true });
    if (context.signal.aborted) {
      resolve();
    }
  });
}

export function healthService(): Service {
  return {
    Check: unary(async (_context, request) => {
      if (rpc.healthCheckRequest.decode(bytesOf(request)).service !== '') {
        throw MetaStoreError.of('UnknownHealthService');
      }
      return rpc.healthCheckResponse.encode({ status: SERVING });
    }),
    Watch: stream(watch),
    List: unary(async () =>
      rpc.healthListResponse.encode({ statuses: { '': { status: SERVING } } }),
    ),
  };
}
