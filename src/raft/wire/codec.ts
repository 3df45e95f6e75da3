// Protobuf encoding of the two configuration-change messages, the only entry payloads that the
// core reads. Written by hand because the core imports nothing. Field numbers: ConfChange id=1,
// type=2, node_id=3, context=4; ConfChangeV2 transition=1, changes=2 {type=1, node_id=2},
// context=3. Decoding takes bytes from peers: garbage is an error, unknown fields are skipped.

import { assert } from '../base/assert.js';
import { RaftError } from '../base/errors.js';
import type { ConfChange, ConfChangeSingle, ConfChangeV2, Entry } from '../base/types.js';
import { ConfChangeTransition, ConfChangeType, EntryType } from '../base/types.js';

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/** Longer varints wrap around at 64 bits, as in every protobuf reader. */
const UINT64_MASK = 2n ** 64n - 1n;

class Writer {
  readonly #bytes: number[] = [];

  varint(field: number, value: bigint): void {
    this.#raw(BigInt(field * 8 + WIRE_VARINT));
    this.#raw(value);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#raw(BigInt(field * 8 + WIRE_BYTES));
    this.#raw(BigInt(value.length));
    for (const byte of value) {
      this.#bytes.push(byte);
    }
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #raw(value: bigint): void {
    assert(value >= 0n && value <= UINT64_MASK, 'a varint is an unsigned 64-bit number');
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }
}

/** One field of a message: a number or a byte string; other kinds are skipped by the reader. */
type FieldVisitor = (field: number, value: bigint | Uint8Array) => void;

function malformed(): never {
  throw new RaftError('invalid-conf-change');
}

class Reader {
  readonly #bytes: Uint8Array;
  // Invariant: 0 <= #at <= #bytes.length; every read checks before it moves.
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  visit(visitor: FieldVisitor): void {
    while (this.#at < this.#bytes.length) {
      const tag = this.#varint();
      const field = Number(tag >> 3n);
      if (field === 0 || tag > 0xffffffffn) {
        malformed();
      }
      this.#field(field, Number(tag & 7n), visitor);
    }
  }

  #field(field: number, wireType: number, visitor: FieldVisitor): void {
    switch (wireType) {
      case WIRE_VARINT:
        visitor(field, this.#varint());
        return;
      case WIRE_BYTES:
        visitor(field, this.#take(this.#varint()));
        return;
      case WIRE_FIXED64:
        this.#take(8n);
        return;
      case WIRE_FIXED32:
        this.#take(4n);
        return;
      default:
        malformed();
    }
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) {
        malformed();
      }
      this.#at++;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value & UINT64_MASK;
      }
    }
    return malformed();
  }

  #take(length: bigint): Uint8Array {
    if (length > BigInt(this.#bytes.length - this.#at)) {
      malformed();
    }
    const start = this.#at;
    this.#at += Number(length);
    return this.#bytes.slice(start, this.#at);
  }
}

function asNumber(value: bigint | Uint8Array): bigint {
  return typeof value === 'bigint' ? value : malformed();
}

function asBytes(value: bigint | Uint8Array): Uint8Array {
  return typeof value === 'bigint' ? malformed() : value;
}

function asChangeType(value: bigint | Uint8Array): ConfChangeType {
  const type = asNumber(value);
  if (type > BigInt(ConfChangeType.AddLearnerNode)) {
    malformed();
  }
  return Number(type) as ConfChangeType;
}

/** Bytes of a ConfChange: type and node id always, id and context only where given. */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const writer = new Writer();
  if (change.id !== 0n) {
    writer.varint(1, change.id);
  }
  writer.varint(2, BigInt(change.type));
  writer.varint(3, change.nodeId);
  if (change.context !== null) {
    writer.bytes(4, change.context);
  }
  return writer.finish();
}

/** @throws RaftError 'invalid-conf-change' */
export function decodeConfChange(bytes: Uint8Array): ConfChange {
  let id = 0n;
  let type: ConfChangeType = ConfChangeType.AddNode;
  let nodeId = 0n;
  let context: Uint8Array | null = null;
  new Reader(bytes).visit((field, value) => {
    if (field === 1) {
      id = asNumber(value);
    } else if (field === 2) {
      type = asChangeType(value);
    } else if (field === 3) {
      nodeId = asNumber(value);
    } else if (field === 4) {
      context = asBytes(value);
    }
  });
  return { id, type, nodeId, context };
}

/** Bytes of a ConfChangeV2: the transition always, even the default one. */
export function encodeConfChangeV2(change: ConfChangeV2): Uint8Array {
  const writer = new Writer();
  writer.varint(1, BigInt(change.transition));
  for (const single of change.changes) {
    const nested = new Writer();
    nested.varint(1, BigInt(single.type));
    nested.varint(2, single.nodeId);
    writer.bytes(2, nested.finish());
  }
  if (change.context !== null) {
    writer.bytes(3, change.context);
  }
  return writer.finish();
}

function decodeSingle(bytes: Uint8Array): ConfChangeSingle {
  let type: ConfChangeType = ConfChangeType.AddNode;
  let nodeId = 0n;
  new Reader(bytes).visit((field, value) => {
    if (field === 1) {
      type = asChangeType(value);
    } else if (field === 2) {
      nodeId = asNumber(value);
    }
  });
  return { type, nodeId };
}

/** @throws RaftError 'invalid-conf-change' */
export function decodeConfChangeV2(bytes: Uint8Array): ConfChangeV2 {
  let transition: ConfChangeTransition = ConfChangeTransition.Auto;
  const changes: ConfChangeSingle[] = [];
  let context: Uint8Array | null = null;
  new Reader(bytes).visit((field, value) => {
    if (field === 1) {
      const number = asNumber(value);
      if (number > BigInt(ConfChangeTransition.JointExplicit)) {
        malformed();
      }
      transition = Number(number) as ConfChangeTransition;
    } else if (field === 2) {
      changes.push(decodeSingle(asBytes(value)));
    } else if (field === 3) {
      context = asBytes(value);
    }
  });
  return { transition, changes, context };
}

/** A single change seen as the general kind. */
export function asConfChangeV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if ('changes' in change) {
    return change;
  }
  return {
    transition: ConfChangeTransition.Auto,
    changes: [{ type: change.type, nodeId: change.nodeId }],
    context: change.context,
  };
}

/**
 * The configuration change in an entry, in its general form. An entry without data is the
 * empty change, which leaves a joint configuration.
 *
 * @throws RaftError 'invalid-conf-change'
 */
export function confChangeOfEntry(entry: Entry): ConfChangeV2 {
  assert(entry.type !== EntryType.Normal, 'only configuration changes are decoded');
  const data = entry.data;
  if (data === null) {
    const empty = new Uint8Array(0);
    return entry.type === EntryType.ConfChange
      ? asConfChangeV2(decodeConfChange(empty))
      : decodeConfChangeV2(empty);
  }
  if (!(data instanceof Uint8Array)) {
    return malformed();
  }
  return entry.type === EntryType.ConfChange
    ? asConfChangeV2(decodeConfChange(data))
    : decodeConfChangeV2(data);
}
