// Raft's messages on their way to other members. Entries leave as the bytes that native code holds:
// those in memory at once, older ones when they have been read from disk, and what follows for the
// same member waits until then, since a gap would make it ask again. Driven by the replica loop.

import type { Logger } from '../../base/log/logger.js';
import type { PeerSender } from '../../cluster/peers/types.js';
import { type Message, MessageType, type NodeId } from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';
import type { HeartbeatWatch } from '../election/heartbeat-watch.js';

/** How long the same acknowledgement is not said again, unless something is new. */
const REPEAT_MS = 50;
/** Messages that may wait for one member while entries are read; more are lost. */
const WAITING_MAX = 64;

export interface OutgoingParts {
  /** This member. */
  readonly self: NodeId;
  readonly core: Pick<MemberCore, 'cachedEntries'>;
  readonly peers: Pick<PeerSender, 'send' | 'sendSnapshot'>;
  /** Entries from disk as a run; rejects when the log does not hold them any more. */
  readonly readEntries: (from: number, to: number) => Promise<Buffer>;
  readonly log: Logger;
  /** The term now: the log under a message of an earlier one may have changed. */
  readonly term: () => number;
  /** A message to the member was lost. */
  readonly lost: (to: NodeId) => void;
  readonly heartbeats: HeartbeatWatch;
  readonly nowMs: () => number;
}

/** What a member was told last of how far this one's log agrees with its own. */
interface Acknowledged {
  readonly term: number;
  readonly index: number;
  readonly atMs: number;
}

interface Run {
  readonly first: number;
  readonly last: number;
  readonly lastTerm: number;
  readonly bytes: Buffer;
}

export class Outgoing {
  readonly #parts: OutgoingParts;
  // Append messages by member, in order; the first one's entries are being read.
  readonly #waiting = new Map<NodeId, Message[]>();
  // By member: a leader that tells of a commit gets no answer that it has already.
  readonly #acknowledged = new Map<NodeId, Acknowledged>();
  // Several members mostly get the same entries.
  #latest: Run | null = null;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
  }

  send(messages: readonly Message[]): void {
    const { peers, self, term } = this.#parts;
    for (const [at, message] of messages.entries()) {
      const { type, from } = message;
      // What was forwarded here on behalf of another member is not forwarded again, maybe to where
      // it came from: no member takes it from this one, and whoever asked asks once more.
      const foreign = from !== self && type !== MessageType.TransferLeader;
      const outdated = type === MessageType.App && message.term !== term();
      if (foreign || outdated || isRepeated(messages, at) || this.#isKnown(message)) {
        continue;
      }
      if (message.type === MessageType.Snap) {
        peers.sendSnapshot(message);
      } else if (message.type === MessageType.App) {
        this.#sendAppend(message);
      } else {
        if (type === MessageType.Heartbeat) {
          this.#parts.heartbeats.sent(message.to);
        }
        peers.send(message, null);
      }
    }
    this.#latest = null;
  }

  /**
   * Whether the member has just been told the very same. Should that be lost, its next question
   * comes later than this silence lasts.
   */
  #isKnown({ type, to, term, index, reject }: Message): boolean {
    if (type !== MessageType.AppResp) {
      return false;
    }
    const atMs = this.#parts.nowMs();
    const last = this.#acknowledged.get(to);
    const isSame = !reject && last?.term === term && last.index === index;
    if (isSame && atMs - last.atMs < REPEAT_MS) {
      return true;
    }
    if (reject) {
      this.#acknowledged.delete(to);
    } else {
      this.#acknowledged.set(to, { term, index, atMs });
    }
    return false;
  }

  #sendAppend(message: Message): void {
    const waiting = this.#waiting.get(message.to);
    if (waiting !== undefined) {
      if (waiting.length < WAITING_MAX) {
        waiting.push(message);
      } else {
        this.#parts.lost(message.to);
      }
      return;
    }
    if (!this.#sendAtOnce(message)) {
      this.#waiting.set(message.to, [message]);
      void this.#readThenSend(message.to);
    }
  }

  /** False when entries have to be read from disk first. */
  #sendAtOnce(message: Message): boolean {
    const { entries } = message;
    if (entries.length === 0) {
      this.#parts.peers.send(message, null);
      return true;
    }
    const run = this.#cached(message);
    if (run !== null) {
      this.#parts.peers.send(message, run);
    }
    return run !== null;
  }

  #cached({ entries }: Message): Buffer | null {
    const first = entries[0]?.index ?? 0;
    const { index: last = 0, term: lastTerm = 0 } = entries.at(-1) ?? {};
    const known = this.#latest;
    if (known?.first === first && known.last === last && known.lastTerm === lastTerm) {
      return known.bytes;
    }
    const bytes = this.#parts.core.cachedEntries(first, last);
    if (bytes !== null) {
      this.#latest = { first, last, lastTerm, bytes };
    }
    return bytes;
  }

  async #readThenSend(to: NodeId): Promise<void> {
    const { peers, readEntries, term, lost, log } = this.#parts;
    const waiting = this.#waiting.get(to) ?? [];
    for (;;) {
      const message = waiting[0];
      if (message === undefined) {
        break;
      }
      const { entries } = message;
      const first = entries[0]?.index ?? 0;
      try {
        const run =
          entries.length > 0 ? await readEntries(first, first + entries.length - 1) : null;
        if (message.term === term()) {
          peers.send(message, run);
        }
      } catch (error) {
        log.debug('entries for a member are gone from the log', { error, first });
        lost(to);
      }
      waiting.shift();
    }
    this.#waiting.delete(to);
  }
}

/**
 * Whether one of the messages behind it says all that this one does: an append with entries what an
 * empty one does, and a newer acknowledgement what an older one does.
 */
function isRepeated(messages: readonly Message[], at: number): boolean {
  const one = messages[at];
  if (one === undefined || one.reject || one.entries.length > 0) {
    return false;
  }
  const { type, to, term, index, logTerm, commit } = one;
  if (type !== MessageType.App && type !== MessageType.AppResp) {
    return false;
  }
  for (let i = at + 1; i < messages.length; i++) {
    const later = messages[i] as Message;
    if (later.type !== type || later.to !== to || later.term !== term || later.reject) {
      continue;
    }
    const says =
      type === MessageType.AppResp
        ? later.index >= index
        : later.index === index && later.logTerm === logTerm && later.commit >= commit;
    if (says) {
      return true;
    }
  }
  return false;
}
