// Hashes of keys at a revision: this member's own, and what the others answer when they are asked.
// Used by the checks beside this file.

import { bytesOf } from '../../../base/bytes.js';
import { hashKvRequest, hashKvResponse } from '../../../base/proto/messages.js';
import type { PeerHashKv, PeerHttp } from '../../../cluster/http/client.js';
import type { Membership } from '../../../cluster/membership.js';
import type { Methods } from '../../../storage/native.js';
import type { Caller } from '../../serving/caller.js';

/** What is needed of the member. */
export interface HashHost {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly isLeader: boolean;
  readonly membership: Pick<Membership, 'list'>;
  /** Triples of what the newest compactions have left behind, oldest first. */
  readonly compactionHashes: Float64Array;
  linearizable(): Promise<void>;
  execute(method: keyof Methods, request: Buffer, caller?: Caller): Promise<Buffer>;
}

export interface KeysHash {
  readonly hash: number;
  /** All changes up to it are summed. */
  readonly revision: number;
  readonly compactRevision: number;
}

/** What another member answered, or why it did not. */
export interface PeerHash {
  readonly id: bigint;
  readonly urls: readonly string[];
  readonly answer: PeerHashKv | null;
  readonly error: string;
}

export class Hashes {
  readonly #host: HashHost;
  readonly #http: Pick<PeerHttp, 'hashKv'>;
  readonly #timeoutMs: number;

  /** @param timeoutMs how long another member may take */
  constructor(host: HashHost, http: Pick<PeerHttp, 'hashKv'>, timeoutMs: number) {
    this.#host = host;
    this.#http = http;
    this.#timeoutMs = timeoutMs;
  }

  /** Of all that this member has now. @throws MetaStoreError Stopped */
  async own(): Promise<KeysHash> {
    const reply = await this.#host.execute('HashKv', hashKvRequest.encode({ revision: 0n }));
    const { hash, hash_revision, compact_revision } = hashKvResponse.decode(bytesOf(reply));
    const [revision, compactRevision] = [Number(hash_revision), Number(compact_revision)];
    return { hash, revision, compactRevision };
  }

  /** What this member remembers of its compactions, newest first. */
  ofCompactions(): KeysHash[] {
    const numbers = this.#host.compactionHashes;
    const hashes: KeysHash[] = [];
    for (let at = numbers.length - 3; at >= 0; at -= 3) {
      const [revision = 0, compactRevision = 0, hash = 0] = numbers.subarray(at, at + 3);
      hashes.push({ hash, revision, compactRevision });
    }
    return hashes;
  }

  /** Asks every other member for its hash at a revision. Never rejects. */
  ofOthers(revision: number): Promise<PeerHash[]> {
    const { id: self, clusterId, membership } = this.#host;
    const others = membership.list().filter(({ id }) => id !== self);
    const asked = others.map(async ({ id, peerUrls: urls }): Promise<PeerHash> => {
      try {
        const options = { timeoutMs: this.#timeoutMs };
        const answer = await this.#http.hashKv(urls, revision, clusterId, options);
        return { id, urls, answer, error: '' };
      } catch (error) {
        return { id, urls, answer: null, error: (error as Error).message };
      }
    });
    return Promise.all(asked);
  }
}
