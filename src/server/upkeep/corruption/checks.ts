// Comparing this member's data with the others': once before it serves, and by the leader again and
// again, over current data and over what compactions have left behind. Who differs gets the CORRUPT
// alarm, which stops all writing until an operator has looked at it. Called by Upkeep.

import { hexId } from '../../../base/bytes.js';
import type { Logger } from '../../../base/log/logger.js';
import { alarmRequest } from '../../../base/proto/messages.js';
import { AlarmType } from '../../../state/alarms.js';
import { compareCompaction } from './compactions.js';
import type { Hashes, HashHost, KeysHash, PeerHash } from './hashes.js';

const ACTIVATE = 1;
/** Ends of the texts of other members. */
const FUTURE = 'required revision is a future revision';
const COMPACTED = 'required revision has been compacted';
const OTHER_CLUSTER = 'cluster ID mismatch';

export class CorruptionChecks {
  readonly #host: HashHost;
  readonly #hashes: Hashes;
  readonly #log: Logger;
  readonly #timeoutText: string;
  /** Compactions up to here have been compared on all members. */
  #comparedRevision = 0;
  #isBusy = false;

  /** @param timeoutText how long another member may take, for the log */
  constructor(host: HashHost, hashes: Hashes, timeoutText: string, log: Logger) {
    this.#host = host;
    this.#hashes = hashes;
    this.#log = log;
    this.#timeoutText = timeoutText;
  }

  /**
   * Before anybody is served: passes unless a member with the same compact revision has other data.
   * Members that cannot be asked, or are at another point, say nothing about it.
   *
   * @throws Error when data differs
   */
  async initial(): Promise<void> {
    const self = { 'local-member-id': hexId(this.#host.id) };
    this.#log.info('starting initial corruption check', { ...self, timeout: this.#timeoutText });
    const own = await this.#hashes.own();
    const others = await this.#hashes.ofOthers(own.revision);
    const differing = others.filter((other) => this.#differsInitially(own, other));
    if (differing.length > 0) {
      throw new Error(`${hexId(this.#host.id)} found data inconsistency with peers`);
    }
    this.#log.info('initial corruption checking passed; no corruption', self);
  }

  /** As the leader: compares current data. Failures are logged. */
  periodic(): Promise<void> {
    return this.#asLeader(async () => {
      await this.#compareCurrent();
    });
  }

  /** As the leader: compares the newest compaction that all members tell of. */
  compactions(): Promise<void> {
    return this.#asLeader(async () => {
      const self = { 'local-member-id': hexId(this.#host.id) };
      this.#log.info('starting compact hash check', { ...self, timeout: this.#timeoutText });
      const checked = await this.#compareCompactions();
      this.#log.info('finished compaction hash check', { 'number-of-hashes-checked': checked });
    });
  }

  /** One check at a time: the next one waits for its timer. */
  async #asLeader(check: () => Promise<void>): Promise<void> {
    if (!this.#host.isLeader || this.#isBusy) {
      return;
    }
    this.#isBusy = true;
    try {
      await check();
    } catch (error) {
      this.#log.warn('failed to check hash KV', { error });
    } finally {
      this.#isBusy = false;
    }
  }

  #differsInitially(own: KeysHash, { id, urls, answer, error }: PeerHash): boolean {
    const fields = {
      'local-member-id': hexId(this.#host.id),
      'local-member-revision': own.revision,
      'local-member-compact-revision': own.compactRevision,
      'local-member-hash': own.hash,
      'remote-peer-id': hexId(id),
      'remote-peer-endpoints': urls,
    };
    if (answer === null) {
      const reasons = [
        [FUTURE, 'cannot fetch hash from slow remote peer'],
        [COMPACTED, 'cannot fetch hash from remote peer; local member is behind'],
        [OTHER_CLUSTER, 'cluster ID mismatch'],
      ] as const;
      const known = reasons.find(([text]) => error.includes(text));
      this.#log.warn(known?.[1] ?? 'failed hash kv request', { ...fields, error });
      return false;
    }
    if (answer.hash === own.hash) {
      return false;
    }
    const isComparable = answer.compactRevision === own.compactRevision;
    const what = isComparable ? 'hash' : 'compact revision';
    this.#log.warn(`found different ${what} values from remote peer`, {
      ...fields,
      'remote-peer-revision': answer.revision,
      'remote-peer-compact-revision': answer.compactRevision,
      'remote-peer-hash': answer.hash,
    });
    return isComparable;
  }

  /**
   * Hashes twice, around a read that all have to agree on: own data that changes without a
   * revision is damaged, and so is that of a member which is ahead of the leader or differs.
   */
  async #compareCurrent(): Promise<void> {
    const first = await this.#hashes.own();
    const others = await this.#hashes.ofOthers(first.revision);
    await this.#host.linearizable();
    const second = await this.#hashes.own();
    let corrupt: bigint | null = null;
    const isSamePoint =
      first.revision === second.revision && first.compactRevision === second.compactRevision;
    if (isSamePoint && first.hash !== second.hash) {
      this.#log.warn('found hash mismatch', {
        'revision-1': first.revision,
        'compact-revision-1': first.compactRevision,
        'hash-1': first.hash,
        'revision-2': second.revision,
        'compact-revision-2': second.compactRevision,
        'hash-2': second.hash,
      });
      corrupt = this.#host.id;
    }
    for (const other of others) {
      if (this.#isCorrupt(first, second, other)) {
        corrupt ??= other.id;
      }
    }
    if (corrupt !== null) {
      this.#log.error('found data inconsistency with peers', { 'member-id': hexId(corrupt) });
      await this.#raise(corrupt);
    }
    const checked = others.filter(({ answer }) => answer !== null).length;
    this.#log.info('finished peer corruption check', { 'number-of-peers-checked': checked });
  }

  #isCorrupt(first: KeysHash, second: KeysHash, { id, answer }: PeerHash): boolean {
    if (answer === null) {
      return false;
    }
    const { revision, compactRevision, hash } = answer;
    const follower = { 'follower-peer-id': hexId(id) };
    let isCorrupt = false;
    if (revision > second.revision) {
      this.#log.warn("revision from follower must be less than or equal to leader's", {
        'leader-revision': second.revision,
        'follower-revision': revision,
        ...follower,
      });
      isCorrupt = true;
    }
    if (compactRevision > second.compactRevision) {
      this.#log.warn("compact revision from follower must be less than or equal to leader's", {
        'leader-compact-revision': second.compactRevision,
        'follower-compact-revision': compactRevision,
        ...follower,
      });
      isCorrupt = true;
    }
    if (compactRevision === first.compactRevision && hash !== first.hash) {
      this.#log.warn('same compact revision then hashes must match', {
        'leader-compact-revision': second.compactRevision,
        'leader-hash': first.hash,
        'follower-compact-revision': compactRevision,
        'follower-hash': hash,
        ...follower,
      });
      isCorrupt = true;
    }
    return isCorrupt;
  }

  /** How many compactions were looked at until one told of all members, or of a difference. */
  async #compareCompactions(): Promise<number> {
    let looked = 0;
    for (const own of this.#hashes.ofCompactions()) {
      if (own.revision <= this.#comparedRevision) {
        return looked;
      }
      looked += 1;
      const others = await this.#hashes.ofOthers(own.revision);
      if (others.length === 0) {
        continue;
      }
      const found = compareCompaction(this.#host.id, own, others, this.#log);
      if (found.isCompared) {
        this.#comparedRevision = own.revision;
      }
      for (const id of found.corrupt) {
        await this.#raise(id);
      }
      if (found.isDecided) {
        return looked;
      }
    }
    return looked;
  }

  /** Raises the CORRUPT alarm; the log tells of it where it is applied. */
  async #raise(memberID: bigint): Promise<void> {
    const request = { action: ACTIVATE, memberID, alarm: AlarmType.Corrupt };
    this.#log.warn('alarm raised', { alarm: 'CORRUPT', 'raised-by-member-id': hexId(memberID) });
    await this.#host.execute('Alarm', alarmRequest.encode(request));
  }
}
