// Messages as people read them in the log, close to Protobuf's text format: fields in the order of
// their declaration, absent ones left out. Values that clients store, passwords and tokens are left
// out as well, or stand there as their size. For warnings, which are rare; nothing parses this.

import protobuf from 'protobufjs';

import { bytesOf, hexId } from '../bytes.js';
import { messageType } from './codec.js';

type Fields = Readonly<Record<string, unknown>>;

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`;
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

const named: Readonly<Record<number, string>> = {
  34: '\\"',
  92: '\\\\',
  10: '\\n',
  13: '\\r',
  9: '\\t',
};

function quote(value: Uint8Array | string, escapeByte: (byte: number) => string): string {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  let text = '';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : escapeByte(byte);
    text += named[byte] ?? plain;
  }
  return `"${text}"`;
}

function isZero(value: unknown): boolean {
  return (
    value === false ||
    value === '' ||
    (value instanceof Uint8Array && value.length === 0) ||
    (!(value instanceof Uint8Array) && typeof value !== 'object' && Number(value) === 0)
  );
}

function scalarText(field: protobuf.Field, value: unknown): string {
  if (field.resolvedType instanceof protobuf.Enum) {
    return field.resolvedType.valuesById[Number(value)] ?? String(value);
  }
  return value instanceof Uint8Array || typeof value === 'string'
    ? quote(value, hex)
    : String(value);
}

/** One message in general: `name:value` pairs, nested ones in braces. */
function plainText(type: protobuf.Type, message: Fields): string {
  const parts: string[] = [];
  for (const field of type.fieldsArray) {
    field.resolve();
    if (!Object.hasOwn(message, field.name)) {
      continue;
    }
    const value = message[field.name];
    for (const one of field.repeated ? (value as readonly unknown[]) : [value]) {
      if (field.resolvedType instanceof protobuf.Type) {
        parts.push(`${field.name}:{${plainText(field.resolvedType, one as Fields)}}`);
      } else if (field.repeated || field.partOf !== null || !isZero(one)) {
        parts.push(`${field.name}:${scalarText(field, one)}`);
      }
    }
  }
  return parts.join('  ');
}

function plainOf(type: string, value: unknown): string {
  return plainText(messageType(type), value as Fields);
}

interface Put {
  readonly key?: Uint8Array;
  readonly value?: Uint8Array;
}

/** A message with its value replaced by the value's size. */
function sizedText(type: string, message: Put): string {
  const { fieldsArray } = messageType(type);
  let text = '';
  for (const field of fieldsArray) {
    field.resolve();
    const value = (message as Fields)[field.name];
    if (!Object.hasOwn(message, field.name) || isZero(value)) {
      continue;
    }
    if (field.name === 'value') {
      text += `value_size:${(value as Uint8Array).length} `;
    } else if (value instanceof Uint8Array) {
      text += `${field.name}:${quote(value, octal)} `;
    } else {
      text += `${field.name}:${scalarText(field, value)} `;
    }
  }
  return text;
}

interface Op {
  readonly request_range?: unknown;
  readonly request_put?: Put;
  readonly request_delete_range?: unknown;
  readonly request_txn?: Txn;
}

interface Txn {
  readonly compare?: readonly Put[];
  readonly success?: readonly Op[];
  readonly failure?: readonly Op[];
}

function opText(op: Op): string {
  if (op.request_put) {
    return `request_put:<${sizedText('etcdserverpb.PutRequest', op.request_put)}>`;
  }
  if (op.request_txn) {
    return `request_txn:<${txnText(op.request_txn)}>`;
  }
  return plainOf('etcdserverpb.RequestOp', op);
}

function txnText({ compare = [], success = [], failure = [] }: Txn): string {
  const compares = compare.map((one) =>
    one.value === undefined || !Object.hasOwn(one, 'value')
      ? plainOf('etcdserverpb.Compare', one)
      : sizedText('etcdserverpb.Compare', one),
  );
  const [yes, no] = [success, failure].map((ops) => ops.map(opText).join(' '));
  return `compare:<${compares.join(' ')}> success:<${yes}> failure:<${no}>`;
}

function leaseHex(id: unknown): string {
  return hexId(BigInt(String(id ?? 0))).padStart(16, '0');
}

type Redaction = (message: Fields) => string;

/** Requests in the log that are not shown as they are, by the field that they stand in. */
const redactions: Readonly<Record<string, Redaction>> = {
  put: (put) => sizedText('etcdserverpb.PutRequest', put as Put),
  txn: (txn) => txnText(txn as Txn),
  lease_grant: (grant) => `ttl:${String(grant.TTL ?? 0)}-second id:${leaseHex(grant.ID)}`,
  lease_revoke: (revoke) => `id:${leaseHex(revoke.ID)}`,
  authenticate: ({ name = '' }) => `name:${String(name)}`,
  auth_user_add: ({ name = '' }) => `name:${String(name)}`,
  auth_user_change_password: ({ name = '' }) => `name:${String(name)}`,
};

function raftRequestText(message: Fields): string {
  for (const [field, redact] of Object.entries(redactions)) {
    if (Object.hasOwn(message, field)) {
      const header = plainOf('etcdserverpb.RequestHeader', message.header ?? {});
      return `header:<${header}> ${field}:<${redact(message[field] as Fields)}>`;
    }
  }
  return plainOf('etcdserverpb.InternalRaftRequest', message);
}

const special: Readonly<Record<string, Redaction>> = {
  'etcdserverpb.PutRequest': redactions.put as Redaction,
  'etcdserverpb.TxnRequest': redactions.txn as Redaction,
  'etcdserverpb.InternalRaftRequest': raftRequestText,
};

/**
 * @param type full name of the message, such as `etcdserverpb.RangeRequest`
 * @returns its text; what is no such message is told by its size
 */
export function messageText(type: string, bytes: Buffer): string {
  try {
    const resolved = messageType(type);
    const message = resolved.decode(bytesOf(bytes)) as unknown as Fields;
    return special[type]?.(message) ?? plainText(resolved, message);
  } catch {
    return `${bytes.length} bytes`;
  }
}
