// Makes the outputs of one command on several servers comparable: takes out addresses, ids that a
// server chose, Raft terms and durations, and the padding of tables, whose width follows from them.
// Called by subject.ts.

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** An id that a server chose, in the two forms in which etcdctl prints it. */
export function idForms(id: string): string[] {
  const isHex = /^[0-9a-f]+$/.test(id);
  return isHex ? [id, BigInt(`0x${id}`).toString()] : [id];
}

const chosen: readonly [RegExp, string][] = [
  [/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":0'],
  [/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : 0'],
  [/\b(took:?) ?=? ?[\d.]+(?:ns|µs|ms|s)\b/g, '$1 <time>'],
  [/"took":"[^"]*"/g, '"took":"<time>"'],
  [/[\d.]+(?:µs|ms|s)(?= [│|])/g, '<time>'],
  [/127\.0\.0\.1:\d+/g, '<address>'],
];

const table: readonly [RegExp, string][] = [
  [/[-─]{2,}/g, '-'],
  [/ {2,}/g, ' '],
];

/** Lines that the client logs itself: retries with their times and pointers. */
function isClientLog(line: string): boolean {
  return /^\{"level":/.test(line) || /\bWARN\b|^\d{4}[-/]\d\d[-/]\d\d/.test(line);
}

export function normalizeText(text: string, endpoint: string, ids: ReadonlyMap<string, string>) {
  let result = text.replaceAll(endpoint, '<endpoint>');
  for (const [id, name] of ids) {
    for (const form of idForms(id)) {
      result = result.replace(new RegExp(`\\b${escapeRegExp(form)}\\b`, 'g'), `<${name}>`);
    }
  }
  for (const [pattern, replacement] of chosen) result = result.replace(pattern, replacement);
  if (/[│|┌+]/.test(result)) {
    for (const [pattern, replacement] of table) result = result.replace(pattern, replacement);
  }
  return result;
}

export function normalizeErrors(text: string): string {
  const panic = /^panic: .*$/m.exec(text)?.[0];
  if (panic !== undefined) return panic; // The client's own; its stack is full of addresses.
  return text
    .split('\n')
    .filter((line) => !isClientLog(line))
    .join('\n');
}

interface Field {
  readonly number: number;
  readonly start: number;
  readonly bodyStart: number;
  readonly end: number;
}

function readVarint(bytes: Buffer, at: number): [value: bigint, next: number] {
  let value = 0n;
  let position = at;
  for (let shift = 0n; position < bytes.length; shift += 7n) {
    const byte = bytes[position++] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return [value, position];
}

function* fields(bytes: Buffer): Generator<Field> {
  for (let at = 0; at < bytes.length; ) {
    const [tag, bodyStart] = readVarint(bytes, at);
    const kind = Number(tag & 7n);
    let start = bodyStart;
    let end = bytes.length;
    if (kind === 0) end = readVarint(bytes, bodyStart)[1];
    else if (kind === 2) {
      const [length, next] = readVarint(bytes, bodyStart);
      start = next;
      end = Math.min(bytes.length, next + Number(length));
    }
    yield { number: Number(tag >> 3n), start: at, bodyStart: start, end };
    at = end;
  }
}

/** A response's bytes in hex, with nothing but the revision left of its header. */
export function normalizeProtobuf(bytes: Buffer): string {
  const parts: string[] = [];
  for (const field of fields(bytes)) {
    if (field.number !== 1) {
      parts.push(bytes.subarray(field.start, field.end).toString('hex'));
      continue;
    }
    const header = bytes.subarray(field.bodyStart, field.end);
    for (const inner of fields(header)) {
      if (inner.number !== 3) continue;
      parts.push(`revision ${header.subarray(inner.bodyStart, inner.end).toString('hex')}`);
    }
  }
  return parts.join('\n');
}
