// What a member asks other members over HTTP on their peer port: who belongs to the cluster, which
// version they are, and what only the leader can do for a follower's client. Every question takes
// all peer URLs of a member and tries them in turn. Answers are checked before they are believed.

import { bytesOf, hexId } from '../../base/bytes.js';
import { MetaStoreError } from '../../base/errors.js';
import * as rpc from '../../base/proto/messages.js';
import { type MemberInfo, memberOf } from '../members/member-json.js';
import { objectOf, parseExactJson, safeInteger, unsigned64 } from './exact-json.js';
import { type Answer, Exchanges, PeerHttpError, type Question } from './exchange.js';
import { Renewals } from './renewals.js';
import type { SecureDialler } from './secure.js';

/** Every answer about the cluster names its id, in hexadecimal digits. */
export const CLUSTER_ID_HEADER = 'x-etcd-cluster-id';
/** Only servers of this kind say it; the protocols between members of other kinds differ. */
export const METASTORE_HEADER = 'x-metastore-version';

export { PeerHttpError } from './exchange.js';

/** Bounds of one question; both may be left out. */
export interface AskOptions {
  /** For each URL; by default ASK_TIMEOUT_MS. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How long one URL may take to answer. */
export const ASK_TIMEOUT_MS = 5000;
/** Largest answer that is read: a list of members, or a lease with its keys. */
const MAX_ANSWER_BYTES = 64 << 20;
/** As much of another member's error text as is worth repeating. */
const MAX_ERROR_TEXT = 200;

export interface PeerMembers {
  /** As the member says; null when it does not. */
  readonly clusterId: bigint | null;
  readonly members: readonly MemberInfo[];
}

export interface PeerVersion {
  /** The release whose interface the member has, such as `3.7.1`. */
  readonly server: string;
  /** `X.Y.0`, or `not_decided`. */
  readonly cluster: string;
  readonly storage: string;
  /** The version of the package; null for servers of another kind. */
  readonly metastore: string | null;
}

export interface PeerHashKv {
  readonly revision: number;
  readonly hash: number;
  readonly compactRevision: number;
  readonly hashRevision: number;
}

/** What a lease's leader says of it. */
export type PeerTimeToLive = Pick<
  rpc.LeaseTimeToLiveResponse,
  'ID' | 'TTL' | 'grantedTTL' | 'keys'
>;

/** Names of the errors that a refused promotion may have, in the header that carries them. */
export const ERROR_HEADER = 'x-metastore-error';

const promotionErrors = [
  'MemberNotFound',
  'MemberNotLearner',
  'LearnerNotReady',
  'NotEnoughStartedMembers',
  'NoLeader',
  'Stopped',
  'InvalidAuthToken',
  'UserEmpty',
  'UserNotFound',
  'PermissionDenied',
] as const;

function textOf(answer: Answer): string {
  return answer.body.subarray(0, MAX_ERROR_TEXT).toString('utf8').trimEnd();
}

function unexpected(answer: Answer): PeerHttpError {
  return new PeerHttpError(`answered ${answer.status}: ${textOf(answer)}`);
}

function needOk(answer: Answer): void {
  if (answer.status !== 200) {
    throw unexpected(answer);
  }
}

function membersOf(text: string): MemberInfo[] {
  const list = parseExactJson(text);
  if (!Array.isArray(list)) {
    throw new SyntaxError('the members are not a list');
  }
  return list.map((item: unknown) => {
    const fields = objectOf(item, 'a member');
    return memberOf(unsigned64(fields.id, 'id of a member'), fields);
  });
}

/** What a refused promotion means. */
function promotionError(answer: Answer): Error {
  const text = textOf(answer);
  const named = promotionErrors.find((code) => code === answer.headers[ERROR_HEADER]);
  if (named !== undefined) {
    return MetaStoreError.of(named);
  }
  if (answer.status === 404) {
    return MetaStoreError.of('MemberNotFound');
  }
  if (answer.status === 412 && text.includes('in sync with leader')) {
    return MetaStoreError.of('LearnerNotReady');
  }
  if (answer.status === 412 && text.includes('can only promote a learner member')) {
    return MetaStoreError.of('MemberNotLearner');
  }
  return unexpected(answer);
}

/** Ids or TTLs, eight bytes each, least significant first. */
export function packIntegers(integers: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * integers.length);
  integers.forEach((integer, i) => {
    bytes.writeBigInt64LE(integer, 8 * i);
  });
  return bytes;
}

/** Null when the bytes are not whole integers. */
export function unpackIntegers(bytes: Buffer): bigint[] | null {
  if (bytes.length % 8 !== 0) {
    return null;
  }
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigInt64LE(8 * i));
}

export class PeerHttp {
  readonly #exchanges: Exchanges;
  readonly #renewals = new Renewals((...args) => this.#renewTogether(...args));

  /** @param dialler how connections are encrypted; null where there are only plain ones */
  constructor(dialler: SecureDialler | null = null) {
    this.#exchanges = new Exchanges(dialler);
  }

  /** Ends the connections that are kept. */
  close(): void {
    this.#exchanges.close();
  }

  /** The members of the cluster that a member belongs to. @throws PeerHttpError */
  fetchMembers(urls: readonly string[], options: AskOptions = {}): Promise<PeerMembers> {
    return this.#first(urls, { method: 'GET', path: '/members' }, options, (answer) => {
      needOk(answer);
      const header = answer.headers[CLUSTER_ID_HEADER];
      const isHex = typeof header === 'string' && /^[0-9a-f]{1,16}$/i.test(header);
      const clusterId = isHex ? BigInt(`0x${header}`) : null;
      return { clusterId, members: membersOf(answer.body.toString('utf8')) };
    });
  }

  /** The versions of a member. @throws PeerHttpError */
  fetchVersion(urls: readonly string[], options: AskOptions = {}): Promise<PeerVersion> {
    return this.#first(urls, { method: 'GET', path: '/version' }, options, (answer) => {
      needOk(answer);
      const fields = objectOf(parseExactJson(answer.body.toString('utf8')), 'the version');
      const { etcdserver: server, etcdcluster: cluster, storage = '' } = fields;
      if (typeof server !== 'string' || typeof cluster !== 'string') {
        throw new SyntaxError('the version is not made of strings');
      }
      const marker = answer.headers[METASTORE_HEADER];
      const metastore = typeof marker === 'string' ? marker : null;
      return { server, cluster, storage: String(storage), metastore };
    });
  }

  /** Whether the cluster is being downgraded. @throws PeerHttpError */
  downgradeEnabled(urls: readonly string[], options: AskOptions = {}): Promise<boolean> {
    return this.#first(urls, { method: 'GET', path: '/downgrade/enabled' }, options, (answer) => {
      needOk(answer);
      return textOf(answer) === 'true';
    });
  }

  /**
   * Has the leader promote a learner; the members afterwards.
   *
   * @param token of whoever asks; null without authentication
   * @throws MetaStoreError what speaks against it; PeerHttpError when nobody knows
   */
  promote(
    urls: readonly string[],
    id: bigint,
    options: AskOptions = {},
    token: string | null = null,
  ): Promise<MemberInfo[]> {
    const path = `/members/promote/${id}`;
    const headers = token === null ? {} : { authorization: token };
    const question: Question = { method: 'POST', path, headers };
    return this.#first(urls, question, options, (answer) => {
      if (answer.status !== 200) {
        throw promotionError(answer);
      }
      return membersOf(answer.body.toString('utf8'));
    });
  }

  /**
   * Has the leader renew a lease; its TTL in seconds.
   *
   * @throws MetaStoreError LeaseNotFound; PeerHttpError when it was not the leader, or silent
   */
  async renewLease(urls: readonly string[], id: bigint, options: AskOptions = {}): Promise<bigint> {
    const { timeoutMs = ASK_TIMEOUT_MS } = options;
    const ttl = await this.#renewals.renew(urls, id, timeoutMs);
    if (ttl !== null) {
      return ttl;
    }
    const body = rpc.leaseKeepAliveRequest.encode({ ID: id });
    return this.#first(urls, protobufPost('/leases', body), options, (answer) => {
      needLease(answer);
      const renewed = rpc.leaseKeepAliveResponse.decode(bytesOf(answer.body));
      if (renewed.ID !== id) {
        throw new PeerHttpError('the answer is about another lease');
      }
      return renewed.TTL;
    });
  }

  /**
   * What the leader knows of a lease.
   *
   * @throws MetaStoreError LeaseNotFound; PeerHttpError when it was not the leader, or silent
   */
  timeToLive(
    urls: readonly string[],
    id: bigint,
    keys: boolean,
    options: AskOptions = {},
  ): Promise<PeerTimeToLive> {
    const body = rpc.leaseInternalRequest.encode({ LeaseTimeToLiveRequest: { ID: id, keys } });
    return this.#first(urls, protobufPost('/leases/internal', body), options, (answer) => {
      needLease(answer);
      const { LeaseTimeToLiveResponse: found } = rpc.leaseInternalResponse.decode(
        bytesOf(answer.body),
      );
      if (found === null || found.ID !== id) {
        throw new PeerHttpError('the answer is about another lease');
      }
      return found;
    });
  }

  /**
   * The hash of a member's keys at a revision.
   *
   * @throws PeerHttpError whose message has the member's text (compacted, future revision)
   */
  hashKv(
    urls: readonly string[],
    revision: number,
    clusterId: bigint,
    options: AskOptions = {},
  ): Promise<PeerHashKv> {
    const question: Question = {
      method: 'GET',
      path: '/members/hashkv',
      headers: { 'content-type': 'application/json', [CLUSTER_ID_HEADER]: hexId(clusterId) },
      body: Buffer.from(JSON.stringify({ revision })),
    };
    return this.#first(urls, question, options, (answer) => {
      needOk(answer);
      const fields = objectOf(parseExactJson(answer.body.toString('utf8')), 'the hash');
      const header = objectOf(fields.header ?? {}, 'the header of the hash');
      return {
        revision: safeInteger(header.revision, 'revision', 0),
        hash: safeInteger(fields.hash, 'hash', 0),
        compactRevision: safeInteger(fields.compact_revision, 'compact_revision', 0),
        hashRevision: safeInteger(fields.hash_revision, 'hash_revision', 0),
      };
    });
  }

  #renewTogether(
    urls: readonly string[],
    ids: readonly bigint[],
    timeoutMs: number,
  ): Promise<readonly bigint[]> {
    const body = packIntegers(ids);
    const headers = { 'content-type': 'application/octet-stream' };
    const question: Question = { method: 'POST', path: '/leases/renewals', headers, body };
    return this.#first(urls, question, { timeoutMs }, (answer) => {
      if (answer.status === 404) {
        // A member of an older version, which is asked for each.
        return [];
      }
      needOk(answer);
      const ttls = unpackIntegers(answer.body);
      if (ttls === null || ttls.length !== ids.length) {
        throw new PeerHttpError('the answer is not about these leases');
      }
      return ttls;
    });
  }

  /** Tries the URLs in turn until one gives an answer with a meaning, if only an error of ours. */
  async #first<T>(
    urls: readonly string[],
    question: Question,
    { timeoutMs = ASK_TIMEOUT_MS, signal }: AskOptions,
    read: (answer: Answer) => T,
  ): Promise<T> {
    const limits = { timeoutMs, signal, maxAnswerBytes: MAX_ANSWER_BYTES };
    const failures: string[] = [];
    for (const url of urls) {
      try {
        return await this.#ask(url, question, limits, read);
      } catch (error) {
        if (!(error instanceof PeerHttpError)) {
          throw error;
        }
        failures.push(error.message);
      }
    }
    throw new PeerHttpError(failures.length === 0 ? 'there is no URL to ask' : failures.join('; '));
  }

  async #ask<T>(
    url: string,
    question: Question,
    limits: Parameters<Exchanges['ask']>[2],
    read: (answer: Answer) => T,
  ): Promise<T> {
    const answer = await this.#exchanges.ask(url, question, limits);
    try {
      return read(answer);
    } catch (error) {
      const passes = error instanceof MetaStoreError && error.code !== 'Unmarshal';
      if (passes) {
        throw error;
      }
      const { message } = error as Error;
      throw new PeerHttpError(`${question.method} ${url}${question.path}: ${message}`);
    }
  }
}

function protobufPost(path: string, body: Buffer): Question {
  return { method: 'POST', path, headers: { 'content-type': 'application/protobuf' }, body };
}

function needLease(answer: Answer): void {
  if (answer.status === 404 && textOf(answer) === 'lease not found') {
    throw MetaStoreError.of('LeaseNotFound');
  }
  needOk(answer);
}
