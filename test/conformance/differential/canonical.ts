// Brings a reply into the form in which two servers' replies must be equal: identities and terms
// left out, and what the API leaves undefined (the order of ties in a sort, of leases, of a lease's
// keys) made independent of order. Called by run.ts with the request that the reply answers.

import { createHash } from 'node:crypto';
import { type Call, calls, type Message } from '../support/calls.js';

const sortFields = ['key', 'version', 'create_revision', 'mod_revision', 'value'] as const;
const sortByValue = 4;

/** A value as text, complete but short: long bytes as their length and hash. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `${item}n`;
    const bytes = asBytes(item);
    if (bytes === null) return item;
    if (bytes.length > 200) {
      const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
      return `<${bytes.length} bytes ${hash}>`;
    }
    const text = bytes.toString('latin1');
    return /^[\x20-\x7e]*$/.test(text) ? text : `0x${bytes.toString('hex')}`;
  });
}

/** Bytes, also after Buffer's own toJSON has had its way. */
function asBytes(item: unknown): Buffer | null {
  if (item instanceof Uint8Array) return Buffer.from(item);
  const json = item as { type?: unknown; data?: unknown } | null;
  if (typeof json === 'object' && json?.type === 'Buffer' && Array.isArray(json.data)) {
    return Buffer.from(json.data as number[]);
  }
  return null;
}

function fieldText(kv: Message, field: string): string {
  return show(kv[field]);
}

function byKey(a: Message, b: Message): number {
  return Buffer.compare(a.key as Buffer, b.key as Buffer);
}

/**
 * Key-value pairs whose order is defined only between different sort values: runs of ties are put
 * in key order, and of a run that a limit cut only the size is kept.
 */
function canonicalTies(kvs: Message[], field: string, isCut: boolean): unknown[] {
  const groups: Message[][] = [];
  for (const kv of kvs) {
    const group = groups.at(-1);
    const first = group?.[0];
    if (group && first && fieldText(first, field) === fieldText(kv, field)) group.push(kv);
    else groups.push([kv]);
  }
  return groups.flatMap((group, index): unknown[] => {
    const cut = isCut && index === groups.length - 1;
    if (cut) return [{ tied: fieldText(group[0] ?? {}, field), count: group.length }];
    return group.sort(byKey);
  });
}

function canonicalRange(request: Message, reply: Message): Message {
  const target = (request.sort_target as number | undefined) ?? 0;
  const field = sortFields[target] ?? 'key';
  const kvs = (reply.kvs as Message[] | undefined) ?? [];
  if (field === 'key') return reply;
  const isCut = reply.more === true;
  // Sorted by values that are then left out: ties cannot be told from the rest.
  if (target === sortByValue && request.keys_only === true) {
    return { ...reply, kvs: isCut ? kvs.length : [...kvs].sort(byKey) };
  }
  return { ...reply, kvs: canonicalTies([...kvs], field, isCut) };
}

function canonicalTxn(request: Message, reply: Message): Message {
  const branch = (reply.succeeded === true ? request.success : request.failure) as
    | Message[]
    | undefined;
  const responses = ((reply.responses as Message[] | undefined) ?? []).map((response, index) => {
    const operation = branch?.[index] ?? {};
    const range = response.response_range as Message | null | undefined;
    const nested = response.response_txn as Message | null | undefined;
    const out: Message = { ...response };
    if (range) out.response_range = canonicalRange(operation.request_range as Message, range);
    if (nested) out.response_txn = canonicalTxn(operation.request_txn as Message, nested);
    return out;
  });
  return { ...reply, responses };
}

/** Identity and term of the outermost header must be there; their values are each server's own. */
function canonicalHeader(reply: Message): Message {
  const header = reply.header as Message | null | undefined;
  if (!header) return reply;
  const { cluster_id, member_id, raft_term, ...rest } = header;
  const complete = [cluster_id, member_id, raft_term].every((id) => id !== 0n && id !== undefined);
  return { ...reply, header: { ...rest, complete } };
}

/** The reply in its canonical form, as one line of text. */
export function canonicalReply(call: Call, request: Message, reply: Message): string {
  let message = canonicalHeader(reply);
  if (call === calls.range) message = canonicalRange(request, message);
  if (call === calls.txn) message = canonicalTxn(request, message);
  if (call === calls.leaseLeases) {
    const ids = (message.leases as Message[]).map((lease) => lease.ID as bigint);
    message = { ...message, leases: ids.sort((a, b) => (a < b ? -1 : 1)) };
  }
  if (call === calls.leaseTimeToLive) {
    const keys = [...((message.keys as Buffer[] | undefined) ?? [])].sort(Buffer.compare);
    // What remains of the lease is compared on its own, within a second.
    message = { ...message, keys, TTL: (message.TTL as bigint) >= 0n };
  }
  return show(message);
}
