// The standard gRPC health service for the whole process: the one service known is the empty name.
// Whether it serves is told by src/server/upkeep; a stream of Watch says it at once and after each
// change, until the client goes.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext, ServerStream } from '../../../base/call.js';
import { MetaStoreError } from '../../../base/errors.js';
import * as rpc from '../../../base/proto/messages.js';
import type { ServingStatus } from '../../../server/upkeep/serving-status.js';
import { type Service, stream, unary } from '../service.js';

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

function statusOf(serving: ServingStatus): number {
  return serving.isServing ? SERVING : NOT_SERVING;
}

async function watch(
  serving: ServingStatus,
  context: CallContext,
  call: ServerStream,
): Promise<void> {
  const request = await call.receive();
  const { service } = rpc.healthCheckRequest.decode(bytesOf(request ?? Buffer.alloc(0)));
  const isKnown = service === '';
  const send = (status: number) => call.send(rpc.healthCheckResponse.encode({ status }));
  send(isKnown ? statusOf(serving) : SERVICE_UNKNOWN);
  const stop = isKnown ? serving.onChange(() => send(statusOf(serving))) : () => undefined;
  await new Promise<void>((resolve) => {
    context.signal.addEventListener('abort', () => resolve(), { once: true });
    if (context.signal.aborted) {
      resolve();
    }
  });
  stop();
}

export function healthService(serving: ServingStatus): Service {
  return {
    Check: unary(async (_context, request) => {
      if (rpc.healthCheckRequest.decode(bytesOf(request)).service !== '') {
        throw MetaStoreError.of('UnknownHealthService');
      }
      return rpc.healthCheckResponse.encode({ status: statusOf(serving) });
    }),
    Watch: stream((context, call) => watch(serving, context, call)),
    List: unary(async () =>
      rpc.healthListResponse.encode({ statuses: { '': { status: statusOf(serving) } } }),
    ),
  };
}
