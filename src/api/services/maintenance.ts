// The Maintenance service: how this member is, hashes of its data, alarms. Hashes, defragmentation
// and alarms are native; the rest is put together here.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext, UnaryHandler } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import { ETCD_VERSION } from '../../base/package.js';
import * as rpc from '../../base/proto/messages.js';
import type { Member } from '../../server/member.js';
import { type Downgrades, majorMinor } from '../../server/upkeep/downgrades.js';
import type { Upkeep } from '../../server/upkeep/upkeep.js';
import type { Access } from '../access.js';
import { type Service, stream, unary } from './service.js';

const AlarmAction = { Get: 0 } as const;
const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'];
const NO_LEADER_TEXT = 'etcdserver: no leader';

function statusErrors(member: Member): string[] {
  const errors = member.leader === 0n ? [NO_LEADER_TEXT] : [];
  for (const { memberId, alarm } of member.alarms.list()) {
    errors.push(`memberID:${memberId} alarm:${alarmNames[alarm] ?? alarm}`);
  }
  return errors;
}

function status(member: Member): Buffer {
  const core = member.coreStatus();
  return rpc.statusResponse.encode({
    header: member.header(),
    version: ETCD_VERSION,
    dbSize: BigInt(core.dbSizeBytes),
    leader: member.leader,
    // What a sole voter has applied may be news to Raft still.
    raftIndex: BigInt(Math.max(member.committedIndex, core.appliedIndex)),
    raftTerm: BigInt(member.raftTerm),
    raftAppliedIndex: BigInt(core.appliedIndex),
    errors: statusErrors(member),
    dbSizeInUse: BigInt(core.dbSizeInUseBytes),
    isLearner: member.isLearner,
    storageVersion: member.membership.storageVersion,
    dbSizeQuota: BigInt(member.options.core.quotaBytes),
    downgradeInfo: member.membership.downgrade,
  });
}

async function moveLeader(member: Member, signal: AbortSignal, request: Buffer): Promise<Buffer> {
  const { targetID } = rpc.moveLeaderRequest.decode(bytesOf(request));
  if (!member.isLeader) {
    throw MetaStoreError.of('NotLeader');
  }
  if (targetID !== member.id) {
    const given = new Promise<never>((_resolve, reject) => {
      const giveUp = () => reject(MetaStoreError.of('LeaderTransferTimeout'));
      signal.addEventListener('abort', giveUp, { once: true });
    });
    await Promise.race([member.transferLeadership(targetID), given]);
  }
  return rpc.moveLeaderResponse.encode({});
}

const Downgrade = { Validate: 0, Enable: 1, Cancel: 2 } as const;

async function downgrade(member: Member, downgrades: Downgrades, bytes: Buffer): Promise<Buffer> {
  const { action, version } = rpc.downgradeRequest.decode(bytesOf(bytes));
  switch (action) {
    case Downgrade.Validate:
      await downgrades.validate(version);
      break;
    case Downgrade.Enable:
      await downgrades.enable(version);
      break;
    case Downgrade.Cancel:
      await downgrades.cancel();
      break;
    default:
      throw MetaStoreError.of('UnknownMethod');
  }
  const agreed = majorMinor(member.membership.version ?? '')?.join('.') ?? '';
  return rpc.downgradeResponse.encode({ header: member.header(), version: agreed });
}

/** Reading alarms is for every user; changing them is not. */
async function alarm(
  member: Member,
  access: Access,
  context: CallContext,
  request: Buffer,
): Promise<Buffer> {
  const { action } = rpc.alarmRequest.decode(bytesOf(request));
  await (action === AlarmAction.Get ? access.requireUser(context) : access.requireAdmin(context));
  return member.execute('Alarm', request);
}

/** Local to this member; an option tells clients to stay away meanwhile. */
function defragment(member: Member, upkeep: Upkeep, request: Buffer): Promise<Buffer> {
  const work = () => upkeep.defragment(() => member.execute('Defragment', request));
  return upkeep.options.stopsServiceOnDefrag
    ? upkeep.serving.paused('defrag is active', work)
    : work();
}

export function maintenanceService(member: Member, access: Access, upkeep: Upkeep): Service {
  const asAdmin = (handle: UnaryHandler) =>
    unary(async (context, request) => {
      await access.requireAdmin(context);
      return handle(context, request);
    });
  return {
    Alarm: unary((context, request) => alarm(member, access, context, request)),
    Status: unary(async (context, request) => {
      rpc.statusRequest.decode(bytesOf(request));
      await access.requireUser(context);
      return status(member);
    }),
    Defragment: asAdmin((_context, request) => defragment(member, upkeep, request)),
    Hash: asAdmin((_context, request) => member.execute('Hash', request)),
    HashKV: asAdmin((_context, request) => member.execute('HashKv', request)),
    Snapshot: stream(async (context, call) => {
      rpc.snapshotRequest.decode(bytesOf((await call.receive()) ?? Buffer.alloc(0)));
      await access.requireAdmin(context);
      await member.backups.serve(call, context.signal, member.membership.storageVersion);
    }),
    MoveLeader: asAdmin(({ signal }, request) => moveLeader(member, signal, request)),
    Downgrade: asAdmin((_context, request) => downgrade(member, upkeep.downgrades, request)),
  };
}
