// The paths of the JSON gateway and the methods behind them. Every route is a POST whose body is
// the method's whole request. KV.RangeStream and the health service have none.

import { methodTypes, serviceMethods } from '../../../base/proto/codec.js';
import { type Shape, shapeOf } from './json/shape.js';

/** Paths below /v3/ by `package.Service.Method`. */
const paths: Readonly<Record<string, readonly string[]>> = {
  'etcdserverpb.KV.Range': ['kv/range'],
  'etcdserverpb.KV.Put': ['kv/put'],
  'etcdserverpb.KV.DeleteRange': ['kv/deleterange'],
  'etcdserverpb.KV.Txn': ['kv/txn'],
  'etcdserverpb.KV.Compact': ['kv/compaction'],
  'etcdserverpb.Watch.Watch': ['watch'],
  'etcdserverpb.Lease.LeaseGrant': ['lease/grant'],
  'etcdserverpb.Lease.LeaseRevoke': ['lease/revoke', 'kv/lease/revoke'],
  'etcdserverpb.Lease.LeaseKeepAlive': ['lease/keepalive'],
  'etcdserverpb.Lease.LeaseTimeToLive': ['lease/timetolive', 'kv/lease/timetolive'],
  'etcdserverpb.Lease.LeaseLeases': ['lease/leases', 'kv/lease/leases'],
  'etcdserverpb.Cluster.MemberAdd': ['cluster/member/add'],
  'etcdserverpb.Cluster.MemberRemove': ['cluster/member/remove'],
  'etcdserverpb.Cluster.MemberUpdate': ['cluster/member/update'],
  'etcdserverpb.Cluster.MemberList': ['cluster/member/list'],
  'etcdserverpb.Cluster.MemberPromote': ['cluster/member/promote'],
  'etcdserverpb.Maintenance.Alarm': ['maintenance/alarm'],
  'etcdserverpb.Maintenance.Status': ['maintenance/status'],
  'etcdserverpb.Maintenance.Defragment': ['maintenance/defragment'],
  'etcdserverpb.Maintenance.Hash': ['maintenance/hash'],
  'etcdserverpb.Maintenance.HashKV': ['maintenance/hashkv'],
  'etcdserverpb.Maintenance.Snapshot': ['maintenance/snapshot'],
  'etcdserverpb.Maintenance.MoveLeader': ['maintenance/transfer-leadership'],
  'etcdserverpb.Maintenance.Downgrade': ['maintenance/downgrade'],
  'etcdserverpb.Auth.AuthEnable': ['auth/enable'],
  'etcdserverpb.Auth.AuthDisable': ['auth/disable'],
  'etcdserverpb.Auth.AuthStatus': ['auth/status'],
  'etcdserverpb.Auth.Authenticate': ['auth/authenticate'],
  'etcdserverpb.Auth.UserAdd': ['auth/user/add'],
  'etcdserverpb.Auth.UserGet': ['auth/user/get'],
  'etcdserverpb.Auth.UserList': ['auth/user/list'],
  'etcdserverpb.Auth.UserDelete': ['auth/user/delete'],
  'etcdserverpb.Auth.UserChangePassword': ['auth/user/changepw'],
  'etcdserverpb.Auth.UserGrantRole': ['auth/user/grant'],
  'etcdserverpb.Auth.UserRevokeRole': ['auth/user/revoke'],
  'etcdserverpb.Auth.RoleAdd': ['auth/role/add'],
  'etcdserverpb.Auth.RoleGet': ['auth/role/get'],
  'etcdserverpb.Auth.RoleList': ['auth/role/list'],
  'etcdserverpb.Auth.RoleDelete': ['auth/role/delete'],
  'etcdserverpb.Auth.RoleGrantPermission': ['auth/role/grant'],
  'etcdserverpb.Auth.RoleRevokePermission': ['auth/role/revoke'],
  'v3lockpb.Lock.Lock': ['lock/lock'],
  'v3lockpb.Lock.Unlock': ['lock/unlock'],
  'v3electionpb.Election.Campaign': ['election/campaign'],
  'v3electionpb.Election.Proclaim': ['election/proclaim'],
  'v3electionpb.Election.Leader': ['election/leader'],
  'v3electionpb.Election.Observe': ['election/observe'],
  'v3electionpb.Election.Resign': ['election/resign'],
};

export interface Route {
  /** The method in the handler table: `/package.Service/Method`. */
  readonly method: string;
  /** Whether requests come in a row. */
  readonly requestStream: boolean;
  /** Whether answers do. */
  readonly responseStream: boolean;
  readonly request: Shape;
  readonly response: Shape;
}

function route(name: string): Route {
  const dot = name.lastIndexOf('.');
  const service = name.slice(0, dot);
  const method = `/${service}/${name.slice(dot + 1)}`;
  const described = serviceMethods(service).find(({ path }) => path === method);
  if (described === undefined) {
    throw new Error(`no method ${name} in the .proto files`);
  }
  const { requestStream, responseStream } = described;
  const { request, response } = methodTypes(name);
  return {
    method,
    requestStream,
    responseStream,
    request: shapeOf(request),
    response: shapeOf(response),
  };
}

/** Every route by its path, such as `/v3/kv/range`. */
export function gatewayRoutes(): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  for (const [name, places] of Object.entries(paths)) {
    const target = route(name);
    for (const place of places) {
      routes.set(`/v3/${place}`, target);
    }
  }
  return routes;
}
