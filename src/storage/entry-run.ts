// Entries on their way between members: native code encodes and stores the payloads, the Raft core
// sees index, term, type and size. The run's layout, little-endian: u32 CRC-32C of all that
// follows, then for each entry u64 term, u8 type, u8 whether it has data, u32 size, its bytes.
// Used by the replica loop and by the peer transport.

import { type Entry, EntryType, makeEntry, type Payload } from '../raft/index.js';
import type { MemberCore } from './native.js';

/** The newest format of entries that this version reads: docs/formats/entry.md. */
export const NEWEST_ENTRY_FORMAT = 2;
/** From this format on an entry may hold several operations. */
export const BATCH_ENTRY_FORMAT = 2;

/** A payload that lives in native memory or on disk: its size is all that Raft needs. */
export class NativePayload implements Payload {
  readonly byteLength: number;

  constructor(byteLength: number) {
    this.byteLength = byteLength;
  }
}

/** A payload within a run that another member sent. */
export class ReceivedPayload implements Payload {
  readonly byteLength: number;
  readonly run: Uint8Array;
  /** Where the entry's record begins in the run. */
  readonly offset: number;

  constructor(byteLength: number, run: Uint8Array, offset: number) {
    this.byteLength = byteLength;
    this.run = run;
    this.offset = offset;
  }
}

/** Bytes of an entry's record in front of its payload. */
export const ENTRY_HEADER_BYTES = 14;

/** Numbers per entry that inspectEntries() gives: term, type, size, offset. */
const FIELDS = 4;

/** The entries of a run whose first one has the index; null when the run is not in order. */
export function decodeRun(
  core: Pick<MemberCore, 'inspectEntries'>,
  firstIndex: number,
  run: Uint8Array,
): Entry[] | null {
  const infos = core.inspectEntries(run);
  if (infos === null) {
    return null;
  }
  const entries: Entry[] = [];
  for (let at = 0; at < infos.length; at += FIELDS) {
    const [term = 0, type = 0, size = -1, offset = 0] = infos.subarray(at, at + FIELDS);
    const index = firstIndex + at / FIELDS;
    entries.push(makeEntry(type as EntryType, term, index, payloadOf(type, size, run, offset)));
  }
  return entries;
}

function payloadOf(type: number, size: number, run: Uint8Array, offset: number): Payload | null {
  if (size < 0) {
    return null;
  }
  if (type === EntryType.Normal) {
    return new ReceivedPayload(size, run, offset);
  }
  // The core reads what configuration changes say, and keeps it longer than the run.
  const start = offset + ENTRY_HEADER_BYTES;
  return new Uint8Array(run.subarray(start, start + size));
}
