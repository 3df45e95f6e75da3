// Raft messages as they travel between members: Frame of proto/metastore/peer.proto, encoded by
// hand because heartbeats and appends pass here all the time. A test compares the bytes with what
// protobufjs makes of the .proto file. Entry runs stay as they are: native code encodes and checks
// them.

import { assert } from '../../../base/assert.js';
import { MetaStoreError } from '../../../base/errors.js';
import {
  type Entry,
  EntryType,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
} from '../../../raft/index.js';
import { bytesSize, FieldReader, FieldWriter, idSize, numberSize } from './fields.js';

/** A message with its entries, encoded, or null when it carries none or has them inline. */
export interface Outbound {
  readonly message: Message;
  readonly run: Uint8Array | null;
  /** Bytes of the message's encoding. */
  readonly size: number;
}

/** A decoded message; the entries of its run are not decoded yet. */
export interface Inbound {
  readonly message: Message;
  readonly run: Uint8Array | null;
}

export interface InboundFrame {
  readonly messages: readonly Inbound[];
  /** To be sent back; 0 when nothing is asked. */
  readonly ping: number;
}

const noEntries: readonly Entry[] = [];

/** What travels inside the message: bytes that somebody reads, never payloads of the log. */
function inlineData(entry: Entry): Uint8Array | null {
  const { data } = entry;
  assert(data === null || data instanceof Uint8Array, 'entries of the log travel as a run');
  return data;
}

function entrySize(entry: Entry): number {
  const data = inlineData(entry);
  return (
    numberSize(entry.type) +
    numberSize(entry.term) +
    numberSize(entry.index) +
    (data === null ? 0 : bytesSize(data.length))
  );
}

/** Prepares a message for writeFrame. */
export function outbound(message: Message, run: Uint8Array | null): Outbound {
  const { context } = message;
  let size =
    numberSize(message.type) +
    idSize(message.to) +
    idSize(message.from) +
    numberSize(message.term) +
    numberSize(message.logTerm) +
    numberSize(message.index) +
    numberSize(message.commit) +
    numberSize(message.reject ? 1 : 0) +
    numberSize(message.rejectHint) +
    (context === null ? 0 : bytesSize(context.length)) +
    idSize(message.vote);
  if (run !== null) {
    size += bytesSize(run.length);
  } else {
    for (const entry of message.entries) {
      size += bytesSize(entrySize(entry));
    }
  }
  return { message, run, size };
}

function writeMessage(writer: FieldWriter, one: Outbound): void {
  const { message, run } = one;
  writer.number(1, message.type);
  writer.id(2, message.to);
  writer.id(3, message.from);
  writer.number(4, message.term);
  writer.number(5, message.logTerm);
  writer.number(6, message.index);
  for (const entry of run === null ? message.entries : noEntries) {
    const data = inlineData(entry);
    writer.head(7, entrySize(entry));
    writer.number(1, entry.type);
    writer.number(2, entry.term);
    writer.number(3, entry.index);
    if (data !== null) {
      writer.bytes(4, data);
    }
  }
  writer.number(8, message.commit);
  writer.number(10, message.reject ? 1 : 0);
  writer.number(11, message.rejectHint);
  if (message.context !== null) {
    writer.bytes(12, message.context);
  }
  writer.id(13, message.vote);
  if (run !== null) {
    writer.bytes(15, run);
  }
}

/**
 * Encodes messages, in order, and a ping (0 for none) as one Frame, behind so many bytes that the
 * caller fills in.
 */
export function encodeFrame(messages: readonly Outbound[], ping: number, leadBytes = 0): Buffer {
  let size = numberSize(ping);
  for (const one of messages) {
    size += bytesSize(one.size);
  }
  const writer = new FieldWriter(size, leadBytes);
  for (const one of messages) {
    writer.head(1, one.size);
    writeMessage(writer, one);
  }
  writer.number(2, ping);
  return writer.finish();
}

/** @throws MetaStoreError Unmarshal when the bytes are not a Frame; runs are not looked into */
export function decodeFrame(bytes: Buffer): InboundFrame {
  const messages: Inbound[] = [];
  let ping = 0;
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) {
      messages.push(readMessage(reader.nested()));
    } else if (reader.field === 2) {
      ping = reader.number();
    } else {
      reader.skip();
    }
  }
  return { messages, ping };
}

type Fields = { -readonly [Key in keyof Message]?: Message[Key] } & { run: Uint8Array | null };

function readMessage(reader: FieldReader): Inbound {
  let type = 0;
  let to = 0n;
  const fields: Fields = { run: null };
  const entries: Entry[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      type = reader.number();
    } else if (reader.field === 2) {
      to = reader.id();
    } else if (reader.field === 7) {
      entries.push(readEntry(reader.nested()));
    } else {
      readField(reader, fields);
    }
  }
  const { run, ...rest } = fields;
  return { message: makeMessage(type as MessageType, to, { ...rest, entries }), run };
}

function readField(reader: FieldReader, fields: Fields): void {
  switch (reader.field) {
    case 3:
      fields.from = reader.id();
      return;
    case 4:
      fields.term = reader.number();
      return;
    case 5:
      fields.logTerm = reader.number();
      return;
    case 6:
      fields.index = reader.number();
      return;
    case 8:
      fields.commit = reader.number();
      return;
    case 10:
      fields.reject = reader.number() !== 0;
      return;
    case 11:
      fields.rejectHint = reader.number();
      return;
    case 12:
      fields.context = reader.bytes();
      return;
    case 13:
      fields.vote = reader.id();
      return;
    case 15:
      fields.run = reader.bytes();
      return;
    default:
      reader.skip();
  }
}

function readEntry(reader: FieldReader): Entry {
  let type = 0;
  let term = 0;
  let index = 0;
  let data: Uint8Array | null = null;
  while (reader.next()) {
    if (reader.field === 1) {
      type = reader.number();
    } else if (reader.field === 2) {
      term = reader.number();
    } else if (reader.field === 3) {
      index = reader.number();
    } else if (reader.field === 4) {
      data = reader.bytes();
    } else {
      reader.skip();
    }
  }
  if (type > EntryType.ConfChangeV2) {
    throw MetaStoreError.of('Unmarshal', `malformed peer message: entry type ${type}`);
  }
  return makeEntry(type as EntryType, term, index, data);
}

export function encodeReply(pong: number): Buffer {
  const writer = new FieldWriter(numberSize(pong));
  writer.number(1, pong);
  return writer.finish();
}

/** The pong of a Reply. @throws MetaStoreError Unmarshal */
export function decodeReply(bytes: Buffer): number {
  let pong = 0;
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) {
      pong = reader.number();
    } else {
      reader.skip();
    }
  }
  return pong;
}

/** What travels in streams: everything but what stays within a member and what has its own call. */
const travelling: ReadonlySet<number> = new Set([
  MessageType.Prop,
  MessageType.App,
  MessageType.AppResp,
  MessageType.Vote,
  MessageType.VoteResp,
  MessageType.Heartbeat,
  MessageType.HeartbeatResp,
  MessageType.TransferLeader,
  MessageType.TimeoutNow,
  MessageType.ReadIndex,
  MessageType.ReadIndexResp,
  MessageType.PreVote,
  MessageType.PreVoteResp,
]);

/** Whether messages of the type may come out of a stream; any number may be asked about. */
export function isTravelling(type: number): boolean {
  return travelling.has(type);
}
