// Deals with what the plane tells, a slice a turn of the event loop: a client that floods us with
// calls for TypeScript must not keep the turns from those who decide about everybody's requests.
// Used by NativeServer alone.

/** Bytes of records that are dealt with in one turn; one record may be larger. */
const SLICE_BYTES_MAX = 128 << 10;

/** The end of the last whole record within a slice, or of the first one; see plane-events.ts. */
function sliceEnd(records: Buffer): number {
  let end = 0;
  while (end < records.length) {
    const next = end + 4 + records.readUInt32LE(end);
    if (end > 0 && next > SLICE_BYTES_MAX) break;
    end = next;
  }
  return end;
}

export class EventTurns {
  readonly #decode: (records: Buffer) => void;
  /** In the order in which they were told. */
  readonly #waiting: Buffer[] = [];
  #turn: NodeJS.Immediate | null = null;

  /** @param decode deals with whole records; what it throws leaves the rest for the next turn */
  constructor(decode: (records: Buffer) => void) {
    this.#decode = decode;
  }

  /** Records behind all that wait. The first slice is dealt with before this returns. */
  push(records: Buffer): void {
    this.#waiting.push(records);
    if (this.#turn === null) this.#next();
  }

  /** Deals with all that waits, now. */
  flush(): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    while (this.#waiting.length > 0) this.#slice();
    this.#turn = null;
  }

  #next(): void {
    this.#turn = null;
    try {
      this.#slice();
    } finally {
      if (this.#waiting.length > 0) this.#turn = setImmediate(() => this.#next());
    }
  }

  #slice(): void {
    const records = this.#waiting.shift();
    if (records === undefined) return;
    const end = records.length <= SLICE_BYTES_MAX ? records.length : sliceEnd(records);
    if (end < records.length) this.#waiting.unshift(records.subarray(end));
    this.#decode(records.subarray(0, end));
  }
}
