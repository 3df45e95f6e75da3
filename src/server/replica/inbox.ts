// What other members have sent and the loop has not taken yet. Changes of the membership may have
// to wait here for an earlier one: Raft appends the next only when the last is applied, and turns
// it into nothing otherwise, so that whoever proposed it would wait for ever. Used by the replica
// loop.

import { EntryType, type Message, MessageType, type RawNode, StateType } from '../../raft/index.js';

/** Changes kept back at most; Raft drops what comes then. */
const HELD_MAX = 64;

export interface Received {
  readonly message: Message;
  /** Number of the native import that holds a snapshot's state; 0 without. */
  readonly importId: number;
}

function hasChange({ type, entries }: Message): boolean {
  return type === MessageType.Prop && entries.some((entry) => entry.type !== EntryType.Normal);
}

export class Inbox {
  readonly #raft: RawNode['raft'];
  #received: Received[] = [];
  #held: Received[] = [];

  constructor(raft: RawNode['raft']) {
    this.#raft = raft;
  }

  /** Whether this member leads and a change that it appended is not applied yet. */
  get isChanging(): boolean {
    const { state, pendingConfIndex, log } = this.#raft;
    return state === StateType.Leader && pendingConfIndex > log.applied;
  }

  /** Whether `take` may have something to give. */
  get hasReceived(): boolean {
    return this.#received.length > 0 || this.#held.length > 0;
  }

  push(received: Received): void {
    this.#received.push(received);
  }

  /** Everything that may be stepped now, in order; one change of the membership at most. */
  take(): Received[] {
    const due: Received[] = [];
    let isChanging = this.isChanging;
    const change = isChanging ? undefined : this.#held.shift();
    if (change !== undefined) {
      due.push(change);
      isChanging = true;
    }
    for (const received of this.#received.splice(0)) {
      if (!hasChange(received.message)) {
        due.push(received);
      } else if (isChanging && this.#held.length < HELD_MAX) {
        this.#held.push(received);
      } else {
        due.push(received);
        isChanging = this.#raft.state === StateType.Leader;
      }
    }
    return due;
  }
}
