// Where completions of native code go: one object per member, called in the order in which things
// happened, within a turn of the replica loop. It holds no state, only the addresses.

import type { Logger } from '../../base/log/logger.js';
import type { Alarms } from '../../state/alarms.js';
import type { Lessor } from '../../state/lease/lessor.js';
import {
  CompletionDecoder,
  type CompletionHandler,
  type SlowRequest,
} from '../../storage/completions.js';
import type { Addon, MemberCore } from '../../storage/native.js';
import type { ControlTimes } from '../serving/control-times.js';
import type { PlaneGate } from '../serving/plane/gate.js';
import type { SlowRequests } from '../serving/slow-requests.js';
import type { WatchStreams } from '../serving/watch-streams.js';
import type { ControlEntries } from './control/control.js';
import type { Checkpoints } from './disk/checkpoints.js';
import type { Grant } from './disk/grant.js';
import type { Writes } from './disk/writes.js';
import type { ReplicaLoop } from './replica-loop.js';
import type { Proposals } from './requests/proposals.js';
import type { ReadIndexRounds } from './requests/read-index.js';
import type { Tickets } from './requests/tickets.js';

export interface CompletionParts {
  readonly loop: ReplicaLoop;
  readonly writes: Writes;
  readonly tickets: Tickets;
  readonly proposals: Pick<Proposals, 'demanded'>;
  readonly reads: Pick<ReadIndexRounds, 'nativeReadsWait'>;
  readonly control: ControlEntries;
  readonly lessor: Lessor;
  readonly watches: WatchStreams;
  readonly checkpoints: Checkpoints;
  readonly alarms: Alarms;
  readonly controlTimes: ControlTimes;
  readonly slow: SlowRequests;
  readonly gate: Pick<PlaneGate, 'deciding'>;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly applied: (index: number, revision: number) => void;
  readonly quotaExceeded: () => void;
  readonly fatal: (message: string) => void;
}

export class MemberCompletions implements CompletionHandler {
  readonly #parts: CompletionParts;

  constructor(parts: CompletionParts) {
    this.#parts = parts;
  }

  durable(sequence: number): void {
    this.#parts.writes.durable(sequence);
  }

  applied(index: number, revision: number): void {
    this.#parts.loop.applied(index);
    this.#parts.applied(index, revision);
  }

  result(ticket: number, code: number, reply: Buffer): void {
    this.#parts.tickets.settle(ticket, code, reply);
  }

  control(index: number, _term: number, type: number, request: Buffer): void {
    this.#parts.controlTimes.begins(type, request);
    this.#parts.gate.deciding(() => this.#parts.control.decide(index, type, request));
  }

  lease(id: bigint, ttlSeconds: number): void {
    if (ttlSeconds > 0) {
      this.#parts.lessor.granted(id, ttlSeconds);
    } else {
      this.#parts.lessor.revoked(id);
    }
  }

  leaseCheckpoint(id: bigint, remainingTtlSeconds: number): void {
    this.#parts.lessor.checkpointed(id, remainingTtlSeconds);
  }

  watch(stream: number, message: Buffer): void {
    this.#parts.watches.deliver(stream, message);
  }

  checkpoint(durableAppliedIndex: number): void {
    this.#parts.checkpoints.checkpointed(durableAppliedIndex, this.#parts.nowMs());
  }

  truncated(startIndex: number): void {
    this.#parts.checkpoints.truncated(startIndex);
  }

  log(level: number, message: string, fieldsJson: string): void {
    const fields = fieldsJson === '' ? {} : (JSON.parse(fieldsJson) as Record<string, unknown>);
    const { log } = this.#parts;
    if (level >= 2) {
      log.error(message, fields);
    } else if (level === 1) {
      log.warn(message, fields);
    } else {
      log.info(message, fields);
    }
  }

  alarm(memberId: bigint, alarm: number, active: boolean): void {
    this.#parts.alarms.changed(memberId, alarm, active);
  }

  held(ticket: number): void {
    this.#parts.tickets.hold(ticket);
  }

  slow(request: SlowRequest): void {
    this.#parts.slow.tell(request);
  }

  quotaExceeded(): void {
    this.#parts.quotaExceeded();
  }

  /** Within a turn of the loop, which comes to proposals and reads behind all completions. */
  demand(proposals: boolean, reads: boolean): void {
    if (proposals) {
      this.#parts.proposals.demanded();
    }
    if (reads) {
      this.#parts.reads.nativeReadsWait();
    }
  }

  fatal(message: string): void {
    this.#parts.fatal(message);
  }
}

/** Hands all that has been completed to its receivers, and Raft what has been appended. */
export function drainInto(
  core: Pick<MemberCore, 'drain'>,
  addon: Pick<Addon, 'completions'>,
  grant: Pick<Grant, 'takeOver'>,
  completions: () => MemberCompletions,
): () => void {
  const decoder = new CompletionDecoder(addon.completions);
  return () => {
    for (let isFirst = true; ; isFirst = false) {
      const records = core.drain();
      // Where there is nothing to decode one look will do: a second one would ask to be woken.
      if (records !== null || isFirst) {
        grant.takeOver();
      }
      if (records === null) {
        return;
      }
      decoder.decode(records, completions());
    }
  };
}
