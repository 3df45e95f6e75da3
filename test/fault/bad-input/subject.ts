// What the bad-input tests have in common: which servers they run against, one started server with
// a client, and the check that it still serves. Called by the test files beside it.

import type { Test } from 'tap';
import { ask, calls, must, type Reply } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import {
  type Engine,
  type Program,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../conformance/support/programs.js';

/** `etcd` tries a test itself against a real one. */
export const names = (process.env.METASTORE_BAD_INPUT_SERVERS ?? 'memory,rocksdb').split(',');

export function optionsFor(name: string, dataDir: string): ProgramOptions {
  const common = { name: `bad-input-${name}`, dataDir };
  if (name === 'etcd') return { kind: 'etcd', ...common };
  return { kind: 'metastore', engine: name as Engine, ...common };
}

export interface Subject {
  readonly program: Program;
  readonly client: Client;
}

/** A fresh server that ends with the test. */
export async function startSubject(t: Test, name: string): Promise<Subject> {
  const program = await start(optionsFor(name, `${scratchDirectory('bad-input')}/data`));
  const client = new Client(program.address);
  t.teardown(async () => {
    client.close();
    await program.kill();
  });
  return { program, client };
}

/** The process runs and answers a write and a linearizable read. */
export async function stillServes(t: Test, subject: Subject, after: string): Promise<void> {
  const { program } = subject;
  const client = new Client(program.address); // A connection of its own: the old one may be closed.
  const key = Buffer.from('still/serves');
  const put = await ask(client, calls.put, { key, value: Buffer.from(after) });
  const got = put.message === null ? null : await ask(client, calls.range, { key });
  client.close();
  const [kv] = (got?.message?.kvs ?? []) as { value: Buffer }[];
  t.ok(program.running, `runs after ${after}`);
  t.equal(kv?.value.toString() ?? put.text, after, `serves after ${after}`);
}

/** Takes alarms back that random bytes may have raised. */
export async function disarm(client: Client): Promise<void> {
  const alarms = await must(client, calls.alarm, { action: 0 });
  for (const alarm of alarms.alarms as { memberID: bigint; alarm: number }[]) {
    await ask(client, calls.alarm, { action: 2, memberID: alarm.memberID, alarm: alarm.alarm });
  }
}

/** An error as one would quote it; a success as `ok`. */
export function shown(reply: Reply): string {
  return reply.message === null ? `${reply.code} ${reply.text}` : 'ok';
}
