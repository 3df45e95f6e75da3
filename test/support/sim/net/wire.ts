// Raft's messages in the form in which another member gets them: copies without anything that lives
// in the sender's memory. Entries of appends travel as a run, which the receiver's core decodes.

import { assert } from '../../../../src/base/assert.js';
import {
  checkPeerMessage,
  type Entry,
  type Message,
  MessageType,
  messageTypeName,
} from '../../../../src/raft/index.js';
import { decodeRun } from '../../../../src/storage/entry-run.js';
import { violated } from '../checks/violation.js';
import type { Endpoint } from './network.js';

export interface Packet {
  /** Without entries when `run` holds them. */
  readonly message: Message;
  readonly run: Uint8Array | null;
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes);
}

function copyEntry(entry: Entry): Entry {
  const { data } = entry;
  assert(data === null || data instanceof Uint8Array, 'what has no run has its bytes with it');
  return { ...entry, data: copyOf(data) };
}

export function pack(message: Message, run: Uint8Array | null, sender: bigint): Packet {
  // The receiver ends a connection on which somebody else's messages come.
  if (message.from !== sender && message.type !== MessageType.TransferLeader) {
    violated('messages', `sent by ${sender}: ${messageText(message)}`);
  }
  const isAppend = message.type === MessageType.App;
  assert(message.responses.length === 0, 'messages between members carry no answers');
  assert(!isAppend || (run === null) === (message.entries.length === 0), 'appends have a run');
  const entries = isAppend ? [] : message.entries.map(copyEntry);
  return { message: { ...message, entries, context: copyOf(message.context) }, run: copyOf(run) };
}

function messageText({ type, from, to, term, index, logTerm, entries }: Message): string {
  const terms = entries.map((entry) => `${entry.index}/${entry.term}`).join(' ');
  const position = `index ${index} term ${logTerm}`;
  return `${messageTypeName(type)} ${from} to ${to} in term ${term}, ${position}: ${terms}`;
}

/** The message as its receiver sees it. Throws when it is none that a member may send. */
export function unpack({ message, run }: Packet, { id, core }: Endpoint): Message {
  let { entries } = message;
  if (run !== null) {
    const decoded = decodeRun(core, message.index + 1, run);
    assert(decoded !== null, 'a run that a member sent is in order');
    entries = decoded;
  }
  const received: Message = { ...message, entries };
  try {
    checkPeerMessage(received, id);
  } catch (error) {
    violated('messages', `${String(error)}: ${messageText(received)}`);
  }
  return received;
}
