// What a member answers over HTTP/1 on its peer port: questions that other members and tools ask,
// besides the peers' own protocol, which is gRPC. Paths, statuses and texts are those of etcd
// members; its Raft endpoints are refused with a text that says why. Called by whoever listens.

import { hexId } from '../../base/bytes.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { packageVersion } from '../../base/package.js';
import { CLUSTER_ID_HEADER, METASTORE_HEADER } from '../../cluster/http/client.js';
import { memberListJson } from '../../cluster/members/member-json.js';
import type { Member } from '../../server/member.js';
import type { MembershipOperations } from '../../server/membership/operations.js';
import type { Access } from '../access.js';
import { jsonReply, notFound, refusal, versionReply, wrongMethod } from '../http/replies.js';
import type { Leases } from '../leases.js';
import { hashKv } from './hash-kv.js';
import { leaseKeepAlive, leaseRenewals, leaseTimeToLive } from './leases.js';
import { promote } from './promote.js';

const ownVersion = packageVersion();

/** What the endpoints need of the server. */
export interface PeerParts {
  readonly member: Member;
  readonly operations: Pick<MembershipOperations, 'promote'>;
  readonly access: Pick<Access, 'requireAdmin'>;
  readonly leases: Pick<Leases, 'renewHere' | 'renewManyHere' | 'timeToLiveHere'>;
  readonly log: Logger;
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly answer: (parts: PeerParts, request: HttpRequest) => Promise<HttpResponse> | HttpResponse;
}

const PROMOTE_PREFIX = '/members/promote/';

function clusterHeader(member: Member): Readonly<Record<string, string>> {
  return { [CLUSTER_ID_HEADER]: hexId(member.clusterId) };
}

function members({ member }: PeerParts): HttpResponse {
  return jsonReply(memberListJson(member.membership.list()), clusterHeader(member));
}

function version({ member }: PeerParts): HttpResponse {
  const reply = versionReply(member.membership);
  return { ...reply, headers: { ...reply.headers, [METASTORE_HEADER]: ownVersion } };
}

async function downgradeEnabled({ member }: PeerParts): Promise<HttpResponse> {
  const header = clusterHeader(member);
  try {
    await member.linearizable();
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    const { text } = member.errors.status(error);
    return refusal(500, `failed linearized read: ${text}`, header);
  }
  const body = String(member.membership.downgrade.enabled);
  return { status: 200, headers: { 'content-type': 'text/plain', ...header }, body };
}

const routes: Readonly<Record<string, Route>> = {
  '/version': { method: 'GET', answer: version },
  '/members': { method: 'GET', answer: members },
  '/members/hashkv': { method: 'GET', answer: ({ member }, request) => hashKv(member, request) },
  '/downgrade/enabled': { method: 'GET', answer: downgradeEnabled },
  '/leases': { method: 'POST', answer: leaseKeepAlive },
  '/leases/renewals': { method: 'POST', answer: leaseRenewals },
  '/leases/internal': { method: 'POST', answer: leaseTimeToLive },
};

function promoteRoute(path: string): Route {
  return {
    method: 'POST',
    answer: async (parts, request) => {
      const id = path.slice(PROMOTE_PREFIX.length);
      const reply = await promote(parts, id, request);
      return { ...reply, headers: { ...reply.headers, ...clusterHeader(parts.member) } };
    },
  };
}

/** Remotes that have been told that they speak to the wrong kind of member; the first ones only. */
class Strangers {
  readonly #log: Logger;
  readonly #known = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The answer to a Raft endpoint of etcd. */
  refuse(request: HttpRequest): HttpResponse {
    const from = request.headers['x-server-from'];
    const host = request.peer.replace(/:\d*$/, '');
    const remote = `${host} ${String(from ?? '')}`;
    if (!this.#known.has(remote) && this.#known.size < STRANGERS_MAX) {
      this.#known.add(remote);
      this.#log.warn('refused a member of another kind: it speaks another peer protocol', {
        'remote-address': request.peer,
        'remote-peer-id': String(from ?? ''),
        'remote-version': String(request.headers['x-server-version'] ?? ''),
        path: request.url.slice(0, 100),
      });
    }
    return refusal(
      404,
      'this is a MetaStore member: it speaks another peer protocol than etcd, and cannot be in ' +
        'one cluster with it',
    );
  }
}

/** Warnings about different remotes: more of them would say nothing new. */
const STRANGERS_MAX = 100;

function isRaftPath(path: string): boolean {
  return path === '/raft' || path.startsWith('/raft/');
}

/** The handler of all HTTP/1 requests to the peer port. */
export function peerRouter(parts: PeerParts): HttpHandler {
  const strangers = new Strangers(parts.log);
  return async (request) => {
    const [path = ''] = request.url.split('?', 1);
    if (isRaftPath(path)) {
      return strangers.refuse(request);
    }
    const found = path.startsWith(PROMOTE_PREFIX) ? promoteRoute(path) : routes[path];
    if (found === undefined) {
      return notFound;
    }
    if (request.method === found.method) {
      return found.answer(parts, request);
    }
    // The endpoints of leases do not say which method they would take.
    return path.startsWith('/leases')
      ? refusal(405, 'Method Not Allowed')
      : wrongMethod(found.method);
  };
}
