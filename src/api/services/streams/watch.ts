// The Watch service: hands a stream's bytes to the native sequencer and its messages back.
// Creation, cancelling, progress and events are all decided there, in one order per stream.

import type { Member } from '../../../server/member.js';
import type { Access } from '../../access.js';
import { type Service, stream } from '../service.js';

export function watchService(member: Member, access: Access): Service {
  return {
    Watch: stream((context, call) =>
      member.watch(call, context.signal, () => access.caller(context)),
    ),
  };
}
