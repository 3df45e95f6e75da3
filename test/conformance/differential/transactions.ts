// Random transactions for the differential test: compares of every target and result over keys and
// ranges, nesting, reads at odd revisions, duplicate keys, empty operations, too many operations.

import type { Message } from '../support/calls.js';
import type { Generator } from './generator.js';
import { randomKey, randomRange, randomValue } from './values.js';

const maxDepth = 3;

function randomCompare(generator: Generator): Message {
  const { random } = generator;
  const compare: Message = { key: randomKey(random) };
  if (random.chance(20)) Object.assign(compare, randomRange(random));
  compare.result = random.chance(1) ? random.pick([4, -1]) : random.below(4);
  const target = random.below(5);
  compare.target = random.chance(1) ? random.pick([5, -1]) : target;
  // Now and then the value of another target than the one named, or none at all.
  const given = random.chance(4) ? random.below(6) : target;
  if (given === 0) compare.version = BigInt(random.below(4));
  if (given === 1) compare.create_revision = generator.anyRevision();
  if (given === 2) compare.mod_revision = generator.anyRevision();
  if (given === 3) compare.value = randomValue(random);
  if (given === 4) compare.lease = generator.leaseId();
  return compare;
}

function randomOperation(generator: Generator, depth: number): Message {
  const { random } = generator;
  return random.weighted<() => Message>([
    [40, () => ({ request_put: generator.putRequest(randomKey(random)) })],
    [30, () => ({ request_range: transactionRange(generator) })],
    [15, () => ({ request_delete_range: transactionDelete(generator) })],
    [depth < maxDepth ? 12 : 0.001, () => ({ request_txn: level(generator, depth + 1) })],
    [0.5, () => ({})],
  ])();
}

/** Reads of transactions mostly name no revision, since a wrong one fails the whole transaction. */
function transactionRange(generator: Generator): Message {
  const request = generator.rangeRequest();
  if (generator.random.chance(80)) delete request.revision;
  return request;
}

/** Mostly single keys: a wide range overlaps with nearly every put beside it. */
function transactionDelete(generator: Generator): Message {
  const request = generator.deleteRequest();
  if (generator.random.chance(60)) delete request.range_end;
  return request;
}

function operations(generator: Generator, depth: number, most: number): Message[] {
  const count = generator.random.below(most + 1);
  return Array.from({ length: count }, () => randomOperation(generator, depth));
}

function level(generator: Generator, depth: number): Message {
  const compares = generator.random.chance(70) ? generator.random.below(3) : 0;
  return {
    compare: Array.from({ length: compares }, () => randomCompare(generator)),
    success: operations(generator, depth, depth === 0 ? 4 : 2),
    failure: operations(generator, depth, 2),
  };
}

/** Around the limit of 128 operations, by distinct keys so that only the count can be wrong. */
function crowded(generator: Generator): Message {
  const { random } = generator;
  const count = random.pick([127, 128, 129, 200]);
  const puts = Array.from({ length: count }, (_, index) => ({
    request_put: { key: Buffer.from(`many/${index}`), value: Buffer.from(`${index}`) },
  }));
  if (random.chance(30)) {
    const compare = Array.from({ length: count }, (_, index) => ({
      ...randomCompare(generator),
      key: Buffer.from(`many/${index}`),
    }));
    return { compare, success: [], failure: puts.slice(0, 3) };
  }
  if (random.chance(30)) return { success: [{ request_txn: { success: puts } }] };
  return random.chance(50)
    ? { success: puts }
    : { failure: puts, compare: [randomCompare(generator)] };
}

/** Only reads and compares: such a transaction does not pass through the log. */
function readOnly(generator: Generator): Message {
  const reads = (): Message[] =>
    Array.from({ length: generator.random.below(3) }, () => ({
      request_range: transactionRange(generator),
    }));
  const compare = Array.from({ length: generator.random.below(3) }, () => randomCompare(generator));
  return { compare, success: reads(), failure: reads() };
}

function levels(txn: Message): Message[] {
  const operations = [...(txn.success as Message[]), ...(txn.failure as Message[])];
  const nested = operations.flatMap((operation) => {
    return operation.request_txn ? levels(operation.request_txn as Message) : [];
  });
  return [...operations, ...nested];
}

/**
 * A put that keeps value or lease of a key which the same transaction has just deleted ends a real
 * etcd (3.7.1) with a panic. Only an unbounded deletion gets past its check for overlaps, so such
 * transactions do not keep anything; test/fault/bad-input sends one to MetaStore alone.
 */
function withoutPanic(txn: Message): Message {
  const operations = levels(txn);
  const deletesAll = operations.some((operation) => {
    const end = (operation.request_delete_range as Message | undefined)?.range_end as
      | Buffer
      | undefined;
    return end?.length === 1 && end[0] === 0;
  });
  if (!deletesAll) return txn;
  for (const operation of operations) {
    const put = operation.request_put as Message | undefined;
    if (put === undefined) continue;
    delete put.ignore_value;
    delete put.ignore_lease;
  }
  return txn;
}

export function randomTxn(generator: Generator): Message {
  if (generator.random.chance(1.5)) return crowded(generator);
  if (generator.random.chance(15)) return readOnly(generator);
  return withoutPanic(level(generator, 0));
}
