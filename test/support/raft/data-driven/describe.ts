// Texts of entries, messages and Ready structs as the data files show them. Used by the
// interaction harness only; production never builds these.

import type {
  ConfChangeSingle,
  Entry,
  HardState,
  Message,
  NodeId,
  Ready,
  Snapshot,
} from '../../../../src/raft/index.js';
import {
  changeTypeName,
  confChangeOfEntry,
  entryTypeName,
  isEmptyHardState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  messageTypeName,
  NONE,
  quote,
  stateName,
} from '../../../../src/raft/index.js';

const changeLetters: Record<string, string> = {
  ConfChangeAddNode: 'v',
  ConfChangeAddLearnerNode: 'l',
  ConfChangeRemoveNode: 'r',
  ConfChangeUpdateNode: 'u',
};

function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes
    .map((change) => `${changeLetters[changeTypeName(change.type)]}${change.nodeId}`)
    .join(' ');
}

function describeData(entry: Entry): string {
  if (entry.type !== 0) {
    return describeChanges(confChangeOfEntry(entry).changes);
  }
  const data = entry.data ?? new Uint8Array(0);
  if (!(data instanceof Uint8Array)) {
    throw new Error('the harness proposes byte arrays');
  }
  return quote(data);
}

export function describeEntry(entry: Entry): string {
  const data = describeData(entry);
  const head = `${entry.term}/${entry.index} ${entryTypeName(entry.type)}`;
  return data === '' ? head : `${head} ${data}`;
}

/** One line per entry, each ending in a newline. */
export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join('');
}

export function describeSnapshot(snapshot: Snapshot): string {
  const { index, term, confState } = snapshot.metadata;
  const list = (ids: readonly NodeId[]): string => `[${ids.join(' ')}]`;
  return (
    `Index:${index} Term:${term} ConfState:Voters:${list(confState.voters)} ` +
    `VotersOutgoing:${list(confState.votersOutgoing)} Learners:${list(confState.learners)} ` +
    `LearnersNext:${list(confState.learnersNext)} AutoLeave:${confState.autoLeave}`
  );
}

function describeTarget(id: NodeId): string {
  switch (id) {
    case NONE:
      return 'None';
    case LOCAL_APPEND_THREAD:
      return 'AppendThread';
    case LOCAL_APPLY_THREAD:
      return 'ApplyThread';
    default:
      return id.toString(16);
  }
}

export function describeMessage(m: Message, indent = ''): string {
  const type = messageTypeName(m.type);
  let text = `${indent}${describeTarget(m.from)}->${describeTarget(m.to)} ${type}`;
  text += ` Term:${m.term} Log:${m.logTerm}/${m.index}`;
  if (m.reject) {
    text += ` Rejected (Hint: ${m.rejectHint})`;
  }
  if (m.commit !== 0) {
    text += ` Commit:${m.commit}`;
  }
  if (m.vote !== NONE) {
    text += ` Vote:${m.vote}`;
  }
  const [first, ...others] = m.entries;
  if (first !== undefined && others.length === 0) {
    text += ` Entries:[${describeEntry(first)}]`;
  } else if (first !== undefined) {
    const lines = m.entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`);
    text += ` Entries:[${lines.join('')}\n${indent}]`;
  }
  if (m.snapshot !== null && m.snapshot.metadata.index !== 0) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(m.snapshot)}`;
  }
  if (m.responses.length > 0) {
    const lines = m.responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join('')}\n${indent}]`;
  }
  return text;
}

function describeHardState(state: HardState): string {
  const vote = state.vote === NONE ? '' : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

export function describeReady(ready: Ready): string {
  let text = '';
  if (ready.softState !== null) {
    const { lead, raftState } = ready.softState;
    text += `Lead:${lead} State:${stateName(raftState)}\n`;
  }
  if (ready.hardState !== null && !isEmptyHardState(ready.hardState)) {
    text += `HardState ${describeHardState(ready.hardState)}\n`;
  }
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(
      (state) => `{${state.index} [${Array.from(state.requestCtx).join(' ')}]}`,
    );
    text += `ReadStates [${states.join(' ')}]\n`;
  }
  if (ready.entries.length > 0) {
    text += `Entries:\n${describeEntries(ready.entries)}`;
  }
  if (ready.snapshot !== null && ready.snapshot.metadata.index !== 0) {
    text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`;
  }
  if (ready.committedEntries.length > 0) {
    text += `CommittedEntries:\n${describeEntries(ready.committedEntries)}`;
  }
  if (ready.messages.length > 0) {
    text += `Messages:\n${ready.messages.map((m) => `${describeMessage(m)}\n`).join('')}`;
  }
  return text === '' ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${text}`;
}
