// Builds the table of every method that a client may call, with the common checks in front of each.
// The list of methods is that of the .proto files; each has its handler.

import { assert } from '../base/assert.js';
import { bytesOf } from '../base/bytes.js';
import type { Handler, HandlerTable } from '../base/call.js';
import { serviceMethods } from '../base/proto/codec.js';
import { rangeRequest } from '../base/proto/kv-messages.js';
import type { Member } from '../server/member.js';
import type { MembershipOperations } from '../server/membership/operations.js';
import type { Upkeep } from '../server/upkeep/upkeep.js';
import type { Access } from './access.js';
import { type CountCall, guarded, type LearnerRule, type OpenStreams } from './guard.js';
import type { Leases } from './leases.js';
import type { CallMeters } from './metrics/calls.js';
import { type AuthParts, authService } from './services/auth.js';
import { clusterService } from './services/cluster.js';
import { electionService } from './services/concurrency/election.js';
import { lockService } from './services/concurrency/lock.js';
import { kvService } from './services/kv/kv.js';
import { maintenanceService } from './services/maintenance.js';
import type { Service } from './services/service.js';
import { healthService } from './services/standard/health.js';
import { reflectionService } from './services/standard/reflection.js';
import { leaseService } from './services/streams/lease.js';
import { watchService } from './services/streams/watch.js';

const never: LearnerRule = () => false;
const always: LearnerRule = () => true;

/** What a learner serves: itself, and reads that need nobody else. */
const learnerRules: Readonly<Record<string, LearnerRule>> = {
  '/etcdserverpb.Maintenance/Status': always,
  '/etcdserverpb.Maintenance/Snapshot': always,
  '/etcdserverpb.KV/Range': (request) =>
    request !== null && rangeRequest.decode(bytesOf(request)).serializable,
};

/** What the services are made of. */
export interface ApiParts {
  readonly member: Member;
  readonly operations: MembershipOperations;
  readonly leases: Leases;
  readonly access: Access;
  /** Counts the calls. */
  readonly calls: CallMeters;
  readonly upkeep: Upkeep;
  /** Whether tools may ask what there is. */
  readonly reflection: boolean;
  readonly auth: AuthParts;
}

/** Streams inside the process, which end with those of clients when the member stops. */
function endingWith(streams: OpenStreams, service: Service): Service {
  const ending = Object.entries(service).map(([method, handler]): [string, Handler] => {
    if (handler.kind === 'unary') {
      return [method, handler];
    }
    const { handle } = handler;
    return [
      method,
      { kind: 'stream', handle: (context, stream) => streams.run(handle, context, stream) },
    ];
  });
  return Object.fromEntries(ending);
}

/** Services by name with their handlers by method. */
function services(
  { member, operations, leases, access, upkeep, auth }: ApiParts,
  streams: OpenStreams,
): ReadonlyMap<string, Service> {
  const inner = {
    kv: kvService(member, access),
    watch: watchService(member, access),
    lease: leaseService(member, leases, access),
  };
  const concurrency = { ...inner, watch: endingWith(streams, inner.watch) };
  return new Map<string, Service>([
    ['etcdserverpb.KV', inner.kv],
    ['etcdserverpb.Watch', inner.watch],
    ['etcdserverpb.Lease', inner.lease],
    ['etcdserverpb.Cluster', clusterService(member, operations, access)],
    ['etcdserverpb.Maintenance', maintenanceService(member, access, upkeep)],
    ['etcdserverpb.Auth', authService(auth)],
    ['v3lockpb.Lock', lockService(concurrency, member.errors)],
    ['v3electionpb.Election', electionService(concurrency, member.errors)],
    ['grpc.health.v1.Health', healthService(upkeep.serving)],
  ]);
}

const REFLECTION = 'grpc.reflection.v1.ServerReflection';

/** The services, and the one that tells of them all where that is wanted. */
function withReflection(
  { reflection }: ApiParts,
  all: ReadonlyMap<string, Service>,
): ReadonlyMap<string, Service> {
  const names = [...all.keys(), REFLECTION];
  return reflection ? new Map([...all, [REFLECTION, reflectionService(names)]]) : all;
}

export function buildHandlers(parts: ApiParts, streams: OpenStreams): HandlerTable {
  const { member, calls } = parts;
  const count: CountCall = (kind, version) => calls.counted(kind, version);
  const table = new Map<string, Handler>();
  for (const [name, service] of withReflection(parts, services(parts, streams))) {
    for (const method of serviceMethods(name)) {
      const handler = service[method.path.slice(name.length + 2)];
      assert(handler !== undefined, `${method.path} has a handler`);
      const rule = learnerRules[method.path] ?? never;
      const checked = guarded(calls.inside(handler, method), member, streams, rule, count);
      table.set(method.path, calls.outside(checked));
    }
  }
  return table;
}
