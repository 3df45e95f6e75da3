// The membership as consensus sees it, as a stored row: what a change of the membership writes,
// what a member starts from, and what a snapshot carries to another member. Ids are decimal
// strings, being 64 bits wide. Used by src/server for its rows and by the peer transport.

import { bytesOf } from '../base/bytes.js';
import { type ConfState, emptyConfState, type NodeId } from '../raft/index.js';
import type { MetaRow } from '../storage/native.js';

/** Name of the meta row. */
export const CONF_STATE_KEY = 'conf_state';

interface ConfStateJson {
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  readonly votersOutgoing: readonly string[];
  readonly learnersNext: readonly string[];
  readonly autoLeave: boolean;
}

/** The row that stores a membership. */
export function encodeConfState(state: ConfState): MetaRow {
  const text = JSON.stringify(state, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  return { key: CONF_STATE_KEY, value: bytesOf(Buffer.from(text)) };
}

/** The membership that a row's value describes; the row is our own, so its form is trusted. */
export function decodeConfState(value: Buffer): ConfState {
  const json = JSON.parse(value.toString()) as ConfStateJson;
  return {
    voters: json.voters.map(BigInt),
    learners: json.learners.map(BigInt),
    votersOutgoing: json.votersOutgoing.map(BigInt),
    learnersNext: json.learnersNext.map(BigInt),
    autoLeave: json.autoLeave,
  };
}

/** The configuration that the recovered state was at; empty before the first change. */
export function restoreConfState(meta: ReadonlyMap<string, Buffer>): ConfState {
  const stored = meta.get(CONF_STATE_KEY);
  return stored === undefined ? emptyConfState : decodeConfState(stored);
}

function areDistinctIds(ids: readonly NodeId[]): boolean {
  return new Set(ids).size === ids.length && ids.every((id) => id > 0n);
}

/**
 * Whether a membership that came from outside is one that consensus can be in: it has voters,
 * nobody is named twice or both votes and learns, only outgoing voters wait to become learners.
 */
export function isConfState(state: ConfState): boolean {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = state;
  if (
    voters.length === 0 ||
    ![voters, learners, votersOutgoing, learnersNext].every(areDistinctIds)
  ) {
    return false;
  }
  const voting = new Set([...voters, ...votersOutgoing]);
  const outgoing = new Set(votersOutgoing);
  const incoming = new Set(voters);
  return (
    learners.every((id) => !voting.has(id)) &&
    learnersNext.every((id) => outgoing.has(id) && !incoming.has(id)) &&
    !(autoLeave && votersOutgoing.length === 0)
  );
}
