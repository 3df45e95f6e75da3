// Names and texts of protocol objects for log lines: the formats that operators and the
// data-driven tests know. Called by the core's log lines and by the tests' descriptions.

import type {
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  ConfState,
  EntryType,
  MessageType,
  NodeId,
  StateType,
} from '../base/types.js';

const messageTypeNames = [
  'MsgHup',
  'MsgBeat',
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
  'MsgForgetLeader',
] as const;

const entryTypeNames = ['EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'] as const;

const stateNames = ['StateFollower', 'StateCandidate', 'StateLeader', 'StatePreCandidate'] as const;

const transitionNames = [
  'ConfChangeTransitionAuto',
  'ConfChangeTransitionJointImplicit',
  'ConfChangeTransitionJointExplicit',
] as const;

const changeNames = [
  'ConfChangeAddNode',
  'ConfChangeRemoveNode',
  'ConfChangeUpdateNode',
  'ConfChangeAddLearnerNode',
] as const;

export function messageTypeName(type: MessageType): string {
  return messageTypeNames[type] ?? String(type);
}

/** The message type of a name such as `MsgApp`, or undefined for an unknown name. */
export function messageTypeOf(name: string): MessageType | undefined {
  const index = (messageTypeNames as readonly string[]).indexOf(name);
  return index < 0 ? undefined : (index as MessageType);
}

export function entryTypeName(type: EntryType): string {
  return entryTypeNames[type] ?? String(type);
}

export function stateName(state: StateType): string {
  return stateNames[state];
}

export function transitionName(transition: ConfChangeTransition): string {
  return transitionNames[transition] ?? String(transition);
}

export function changeTypeName(type: ConfChangeType): string {
  return changeNames[type] ?? String(type);
}

/** Ids in hex without prefix, as in every log line. */
export function hex(id: NodeId): string {
  return id.toString(16);
}

const simpleEscapes = new Map<number, string>([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x22, '\\"'],
  [0x5c, '\\\\'],
]);

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

interface Rune {
  readonly codePoint: number;
  readonly length: number;
}

/** Smallest code point that may use a sequence of this length (no overlong forms). */
const sequenceMinimum = [0, 0, 0x80, 0x800, 0x10000] as const;

function decodeRune(bytes: Uint8Array, at: number): Rune | null {
  const first = bytes[at] as number;
  if (first < 0x80) {
    return { codePoint: first, length: 1 };
  }
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (length === 0 || first > 0xf4 || at + length > bytes.length) {
    return null;
  }
  let codePoint = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const next = bytes[at + i] as number;
    if ((next & 0xc0) !== 0x80) {
      return null;
    }
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  const surrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
  if (codePoint < (sequenceMinimum[length] as number) || codePoint > 0x10ffff || surrogate) {
    return null;
  }
  return { codePoint, length };
}

function quoteRune(codePoint: number): string {
  const simple = simpleEscapes.get(codePoint);
  if (simple !== undefined) {
    return simple;
  }
  const text = String.fromCodePoint(codePoint);
  if (printable.test(text)) {
    return text;
  }
  if (codePoint < 0x80) {
    return `\\x${codePoint.toString(16).padStart(2, '0')}`;
  }
  return codePoint < 0x10000
    ? `\\u${codePoint.toString(16).padStart(4, '0')}`
    : `\\U${codePoint.toString(16).padStart(8, '0')}`;
}

/** Bytes as a double-quoted string: UTF-8 where printable, escapes for everything else. */
export function quote(bytes: Uint8Array): string {
  let text = '"';
  for (let at = 0; at < bytes.length; ) {
    const rune = decodeRune(bytes, at);
    if (rune === null) {
      text += `\\x${(bytes[at] as number).toString(16).padStart(2, '0')}`;
      at++;
    } else {
      text += quoteRune(rune.codePoint);
      at += rune.length;
    }
  }
  return `${text}"`;
}

/** A configuration change in protobuf text form. */
export function confChangeText(change: ConfChangeV2): string {
  const parts = [`transition:${transitionName(change.transition)}`];
  for (const single of change.changes) {
    parts.push(`changes:{type:${changeTypeName(single.type)} node_id:${single.nodeId}}`);
  }
  if (change.context !== null && change.context.length > 0) {
    parts.push(`context:${quote(change.context)}`);
  }
  return parts.join(' ');
}

/** A membership in protobuf text form. */
export function confStateText(state: ConfState): string {
  const parts = [
    ...state.voters.map((id) => `voters:${id}`),
    ...state.learners.map((id) => `learners:${id}`),
    ...state.votersOutgoing.map((id) => `voters_outgoing:${id}`),
    ...state.learnersNext.map((id) => `learners_next:${id}`),
    `auto_leave:${state.autoLeave}`,
  ];
  return parts.join(' ');
}
