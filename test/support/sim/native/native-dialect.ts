// The real protocol, for members with the native core: puts, transactions that compare a value, and
// linearizable ranges. A register's version is the revision of its last change, which orders all
// writes as the log does.

import * as kv from '../../../../src/base/proto/kv-messages.js';
import { hashKvRequest, hashKvResponse } from '../../../../src/base/proto/messages.js';
import { violated } from '../checks/violation.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Dialect, Request } from '../cluster/dialect.js';
import { type Command, Operation, type Reply } from '../double/state/state-machine.js';

/** Numbers of etcd's Compare message. */
const EQUAL = 0;
const CREATE_REVISION = 1;
const VALUE = 3;

function keyBytes(key: number): Buffer {
  return Buffer.from(`register${key}`);
}

function bytes(value: number): Buffer {
  return Buffer.from(`value ${value}`);
}

function numberIn(text: Buffer): number {
  return Number(text.toString().slice('value '.length));
}

function registerOf(range: kv.RangeResponse | undefined): { value: number; version: number } {
  const held = range?.kvs[0];
  return held === undefined
    ? { value: 0, version: 0 }
    : { value: numberIn(held.value), version: Number(held.mod_revision) };
}

export class NativeDialect implements Dialect {
  request({ operation, key, value, expected }: Command): Request {
    const name = keyBytes(key);
    if (operation === Operation.Read) {
      return { method: 'Range', bytes: kv.rangeRequest.encode({ key: name }) };
    }
    const put = { key: name, value: bytes(value) };
    if (operation === Operation.Put) {
      return { method: 'Put', bytes: kv.putRequest.encode(put) };
    }
    const compare =
      expected === 0
        ? { result: EQUAL, target: CREATE_REVISION, key: name, create_revision: 0n }
        : { result: EQUAL, target: VALUE, key: name, value: bytes(expected) };
    const request = {
      compare: [compare],
      success: [{ request_put: put }],
      failure: [{ request_range: { key: name } }],
    };
    return { method: 'Txn', bytes: kv.txnRequest.encode(request) };
  }

  reply({ operation, value }: Command, reply: Buffer): Reply {
    if (operation === Operation.Read) {
      return { succeeded: true, ...registerOf(kv.rangeResponse.decode(reply)) };
    }
    if (operation === Operation.Put) {
      const { header } = kv.putResponse.decode(reply);
      return { succeeded: true, value, version: Number(header?.revision ?? 0n) };
    }
    const { header, succeeded, responses } = kv.txnResponse.decode(reply);
    return succeeded
      ? { succeeded, value, version: Number(header?.revision ?? 0n) }
      : { succeeded, ...registerOf(responses[0]?.response_range) };
  }

  /** The history knows every version that was told. */
  knows(): boolean {
    return true;
  }

  /** The stores of all members have the same hash. */
  async compare(cluster: Cluster): Promise<void> {
    const hashes = new Map<string, string>();
    for (const { name, member } of cluster.nodes) {
      if (member === null) {
        continue;
      }
      let hash: string | null = null;
      member.execute('HashKv', hashKvRequest.encode({ revision: 0n })).then(
        (reply) => {
          const decoded = hashKvResponse.decode(reply);
          hash = `${decoded.hash} at ${decoded.hash_revision}`;
        },
        (error: unknown) => {
          hash = String(error);
        },
      );
      await cluster.runUntil(cluster.scheduler.nowMs + 10_000, () => hash !== null);
      hashes.set(name, hash ?? 'no answer');
    }
    if (new Set(hashes.values()).size > 1) {
      violated('equal states', [...hashes].map(([name, hash]) => `${name} ${hash}`).join(', '));
    }
  }
}
