// The comparison of HTTP sides: long lists of requests to a real etcd and to MetaStore with both
// engines, one after the other, with equal status, headers and bodies. _SERVERS=etcd,etcd tries
// the test itself; METASTORE_GATEWAY_ONLY names one list.

import t, { type Test } from 'tap';

import {
  hasReference,
  type Program,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../support/programs.js';
import { versionIsDecided } from '../../support/version.js';
import { authCases } from './cases/auth.js';
import { callCases } from './cases/calls.js';
import { corsCases, disabledCases, endpointCases, hostCases } from './cases/endpoints.js';
import { headerCases } from './cases/headers.js';
import { jsonCases, routeCases } from './cases/json.js';
import { limitCases } from './cases/limits.js';
import { streamCases, streamHistory } from './cases/streams.js';
import { type Captured, type Case, exchange } from './exchange.js';
import { comparable } from './normalize.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
// A gateway does not know its engine: reduced runs take one.
const servers = isFull ? 'etcd,memory,rocksdb' : 'etcd,rocksdb';
const wanted = (process.env.METASTORE_GATEWAY_SERVERS ?? servers).split(',');
const only = process.env.METASTORE_GATEWAY_ONLY;

interface List {
  readonly cases: readonly Case[];
  /** Sent before. */
  readonly ahead?: readonly Case[];
  /** How many may be under way at once; 1 by default, since most lists change what is stored. */
  readonly atOnce?: number;
  readonly flags?: readonly string[];
}

const lists: Readonly<Record<string, List>> = {
  json: { cases: jsonCases },
  routes: { cases: routeCases },
  calls: { cases: callCases },
  headers: { cases: headerCases },
  streams: { ahead: streamHistory, cases: streamCases, atOnce: 8 },
  endpoints: { cases: endpointCases },
  limits: { cases: limitCases },
  auth: { cases: authCases },
  cors: { cases: corsCases, flags: ['--cors=http://ok.example:80,https://two.example:443'] },
  hosts: { cases: hostCases, flags: ['--host-whitelist=good.example,127.0.0.1'] },
  disabled: { cases: disabledCases, flags: ['--enable-grpc-gateway=false'] },
};

interface Server {
  readonly program: Program;
  readonly captured: Captured;
  readonly port: number;
}

function options(kind: string, index: number, flags: readonly string[]): ProgramOptions {
  const common = {
    name: `${kind}-${index}`,
    dataDir: `${scratchDirectory('gateway')}/data`,
    flags: ['--unsafe-no-fsync=true', '--bcrypt-cost=4', ...flags],
  };
  return kind === 'etcd'
    ? { kind: 'etcd', ...common }
    : { kind: 'metastore', engine: kind as 'memory' | 'rocksdb', ...common };
}

function title(asked: Case): string {
  const body = Array.isArray(asked.body) ? asked.body.join('|') : String(asked.body ?? '');
  const text = asked.name ?? `${asked.messages?.join('|') ?? body}`.slice(0, 120);
  return `${asked.messages === undefined ? (asked.method ?? 'POST') : 'WS'} ${asked.path} ${text}`;
}

async function compare(t: Test, kinds: readonly string[], list: List): Promise<void> {
  const servers: Server[] = [];
  t.teardown(async () => {
    await Promise.all(servers.map(({ program }) => program.stop()));
  });
  const flags = list.flags ?? [];
  const starts = kinds.map((kind, index) => start(options(kind, index, flags)));
  for (const program of await Promise.all(starts)) {
    const port = Number(program.address.split(':')[1]);
    servers.push({ program, captured: new Map(), port });
  }
  // Replies tell it.
  await Promise.all(servers.map(({ program }) => versionIsDecided(program.address)));
  const send = async (asked: Case) => {
    const [expected, ...others] = await Promise.all(
      servers.map(({ port, captured }) =>
        exchange(port, asked, captured).then(
          (answer) => comparable(asked, answer),
          (error: Error) => `no answer: ${error.message}`,
        ),
      ),
    );
    others.forEach((found, index) => {
      t.equal(found, expected, `${kinds[index + 1]}: ${title(asked)}`);
    });
  };
  for (const asked of list.ahead ?? []) await send(asked);
  const waiting = [...list.cases];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await send(next);
  };
  await Promise.all(Array.from({ length: list.atOnce ?? 1 }, lane));
}

const kinds = wanted.filter((kind) => kind !== 'etcd' || hasReference());
const comparing = kinds.includes('etcd') && kinds.length > 1;
const skip = comparing ? {} : { skip: 'nothing to compare with' };

t.setTimeout(20 * 60_000);
t.jobs = 3; // Each list has servers of its own, and mostly waits.
for (const [name, list] of Object.entries(lists)) {
  if (only === undefined || only.split(',').includes(name)) {
    t.test(`${name}: ${kinds.join(', ')}`, { ...skip }, (t) => compare(t, kinds, list));
  }
}
