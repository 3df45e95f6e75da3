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
/** Simulated time in which a healed cluster answers. */
const ANSWER_MS = 10_000;

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

/** The reply, or the text of what went wrong. */
async function ask(cluster: Cluster, asked: Promise<Buffer> | undefined): Promise<Buffer | string> {
  let reply: Buffer | string | null = null;
  asked?.then(
    (bytes) => {
      reply = bytes;
    },
    (error: unknown) => {
      reply = String(error);
    },
  );
  await cluster.runUntil(cluster.scheduler.nowMs + ANSWER_MS, () => reply !== null);
  return reply ?? 'no answer';
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

  /** No acknowledged write is lost, and the stores of all members have the same hash. */
  async compare(cluster: Cluster): Promise<void> {
    await this.#compareHashes(cluster);
    const member = cluster.leader?.member;
    for (const { key, value, version } of cluster.history.acknowledgedWrites) {
      const request = kv.rangeRequest.encode({ key: keyBytes(key), revision: BigInt(version) });
      const reply = await ask(cluster, member?.execute('Range', request));
      const found = typeof reply === 'string' ? reply : registerOf(kv.rangeResponse.decode(reply));
      if (typeof found === 'string' || found.value !== value || found.version !== version) {
        violated('acknowledged writes', `${value} is not in register ${key} at ${version}`);
      }
    }
  }

  async #compareHashes(cluster: Cluster): Promise<void> {
    const hashes = new Map<string, string>();
    const members = cluster.leader?.member?.membership;
    for (const { name, id, member } of cluster.nodes) {
      if (member !== null && members?.get(id) !== undefined) {
        const request = hashKvRequest.encode({ revision: 0n });
        const reply = await ask(cluster, member.execute('HashKv', request));
        const hash = typeof reply === 'string' ? null : hashKvResponse.decode(reply);
        hashes.set(name, hash === null ? String(reply) : `${hash.hash} at ${hash.hash_revision}`);
      }
    }
    if (new Set(hashes.values()).size > 1) {
      violated('equal states', [...hashes].map(([name, hash]) => `${name} ${hash}`).join(', '));
    }
  }
}
