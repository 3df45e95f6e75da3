// The calls that tests make, by name: path, how its request is encoded and how its reply is read.
// Called by the differential and the fault tests. Messages are plain objects with bigint integers
// and Buffer bytes, in the field names of proto/.

import { Codec, type Partially } from '../../../src/base/proto/codec.js';
import type { Answer, CallOptions, Client } from './client.js';

/** A decoded message, or what one is encoded from. */
export type Message = { [field: string]: unknown };

const packageOf: Readonly<Record<string, string>> = {
  KV: 'etcdserverpb',
  Watch: 'etcdserverpb',
  Lease: 'etcdserverpb',
  Cluster: 'etcdserverpb',
  Maintenance: 'etcdserverpb',
  Auth: 'etcdserverpb',
  Lock: 'v3lockpb',
  Election: 'v3electionpb',
  Health: 'grpc.health.v1',
};

/** One RPC with its codecs. `name` is `Service/Method`. */
export class Call {
  readonly name: string;
  readonly path: string;
  readonly #request: Codec<Message>;
  readonly reply: Codec<Message>;

  constructor(name: string, request: string, reply: string) {
    const [service = '', method = ''] = name.split('/');
    const scope = packageOf[service] ?? '';
    this.name = name;
    this.path = `/${scope}.${service}/${method}`;
    this.#request = new Codec<Message>(`${scope}.${request}`);
    this.reply = new Codec<Message>(`${scope}.${reply}`);
  }

  /** The request's bytes; fields that are left out have their defaults. */
  encode(request: Message): Buffer {
    return this.#request.encode(request as Partially<Message>);
  }
}

export const calls = {
  range: new Call('KV/Range', 'RangeRequest', 'RangeResponse'),
  rangeStream: new Call('KV/RangeStream', 'RangeRequest', 'RangeStreamResponse'),
  put: new Call('KV/Put', 'PutRequest', 'PutResponse'),
  deleteRange: new Call('KV/DeleteRange', 'DeleteRangeRequest', 'DeleteRangeResponse'),
  txn: new Call('KV/Txn', 'TxnRequest', 'TxnResponse'),
  compact: new Call('KV/Compact', 'CompactionRequest', 'CompactionResponse'),
  leaseGrant: new Call('Lease/LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse'),
  leaseRevoke: new Call('Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse'),
  leaseTimeToLive: new Call(
    'Lease/LeaseTimeToLive',
    'LeaseTimeToLiveRequest',
    'LeaseTimeToLiveResponse',
  ),
  leaseLeases: new Call('Lease/LeaseLeases', 'LeaseLeasesRequest', 'LeaseLeasesResponse'),
  keepAlive: new Call('Lease/LeaseKeepAlive', 'LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'),
  watch: new Call('Watch/Watch', 'WatchRequest', 'WatchResponse'),
  hashKv: new Call('Maintenance/HashKV', 'HashKVRequest', 'HashKVResponse'),
  status: new Call('Maintenance/Status', 'StatusRequest', 'StatusResponse'),
  alarm: new Call('Maintenance/Alarm', 'AlarmRequest', 'AlarmResponse'),
  hash: new Call('Maintenance/Hash', 'HashRequest', 'HashResponse'),
  defragment: new Call('Maintenance/Defragment', 'DefragmentRequest', 'DefragmentResponse'),
  moveLeader: new Call('Maintenance/MoveLeader', 'MoveLeaderRequest', 'MoveLeaderResponse'),
  memberPromote: new Call('Cluster/MemberPromote', 'MemberPromoteRequest', 'MemberPromoteResponse'),
  memberList: new Call('Cluster/MemberList', 'MemberListRequest', 'MemberListResponse'),
  downgrade: new Call('Maintenance/Downgrade', 'DowngradeRequest', 'DowngradeResponse'),
  lock: new Call('Lock/Lock', 'LockRequest', 'LockResponse'),
  unlock: new Call('Lock/Unlock', 'UnlockRequest', 'UnlockResponse'),
  campaign: new Call('Election/Campaign', 'CampaignRequest', 'CampaignResponse'),
  proclaim: new Call('Election/Proclaim', 'ProclaimRequest', 'ProclaimResponse'),
  leader: new Call('Election/Leader', 'LeaderRequest', 'LeaderResponse'),
  observe: new Call('Election/Observe', 'LeaderRequest', 'LeaderResponse'),
  resign: new Call('Election/Resign', 'ResignRequest', 'ResignResponse'),
  healthCheck: new Call('Health/Check', 'HealthCheckRequest', 'HealthCheckResponse'),
  healthWatch: new Call('Health/Watch', 'HealthCheckRequest', 'HealthCheckResponse'),
} as const;

/** Of the Auth service: messages are named after the method, some with `Auth` before it. */
function authCall(method: string, message = `Auth${method}`): Call {
  return new Call(`Auth/${method}`, `${message}Request`, `${message}Response`);
}

export const authCalls = {
  enable: authCall('AuthEnable', 'AuthEnable'),
  disable: authCall('AuthDisable', 'AuthDisable'),
  status: authCall('AuthStatus', 'AuthStatus'),
  authenticate: authCall('Authenticate', 'Authenticate'),
  userAdd: authCall('UserAdd'),
  userGet: authCall('UserGet'),
  userList: authCall('UserList'),
  userDelete: authCall('UserDelete'),
  userChangePassword: authCall('UserChangePassword'),
  userGrantRole: authCall('UserGrantRole'),
  userRevokeRole: authCall('UserRevokeRole'),
  roleAdd: authCall('RoleAdd'),
  roleGet: authCall('RoleGet'),
  roleList: authCall('RoleList'),
  roleDelete: authCall('RoleDelete'),
  roleGrantPermission: authCall('RoleGrantPermission'),
  roleRevokePermission: authCall('RoleRevokePermission'),
} as const;

/** An answer with its message decoded; `message` is null on an error. */
export interface Reply {
  readonly code: number;
  readonly text: string;
  readonly message: Message | null;
}

export function decodeAnswer(call: Call, answer: Answer): Reply {
  const message = answer.code === 0 ? call.reply.decode(answer.bytes) : null;
  return { code: answer.code, text: answer.text, message };
}

/** Makes one unary call; errors are replies. */
export async function ask(
  client: Client,
  call: Call,
  request: Message,
  options: CallOptions = {},
): Promise<Reply> {
  return decodeAnswer(call, await client.unary(call.path, call.encode(request), options));
}

/** Makes one unary call. @throws Error when it answers an error */
export async function must(
  client: Client,
  call: Call,
  request: Message,
  options: CallOptions = {},
): Promise<Message> {
  const reply = await ask(client, call, request, options);
  if (reply.message === null) throw new Error(`${call.name}: ${reply.code} ${reply.text}`);
  return reply.message;
}

/** The revision in a reply's header. */
export function headerRevision(message: Message | null): bigint {
  const header = message?.header as Message | null | undefined;
  return (header?.revision as bigint | undefined) ?? 0n;
}
