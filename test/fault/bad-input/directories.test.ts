// Bad directories: taken by another process, cut or damaged log files, not writable, of the other
// engine, not a directory. Each is refused at once with an exit code and a reason in the log, or
// repaired where that loses nothing that was acknowledged; and no refusal changes anything.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { calls, must } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import {
  launch,
  type Program,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../conformance/support/programs.js';
import { launcher } from '../../support/process.js';
import { within } from '../../support/wait.js';
import { names, optionsFor } from './subject.js';

const refusalTimeoutMs = 20_000;

t.setTimeout(3_600_000);
t.jobs = 2; // Directories of their own.

/** Writes `count` keys one after the other. */
async function fill(program: Program, count: number): Promise<void> {
  const client = new Client(program.address);
  for (let index = 0; index < count; index += 1) {
    await must(client, calls.put, {
      key: Buffer.from(`k${index}`),
      value: Buffer.alloc(100, index),
    });
  }
  client.close();
}

async function countKeys(program: Program): Promise<number> {
  const client = new Client(program.address);
  const all = { key: Buffer.from([0]), range_end: Buffer.from([0]), count_only: true };
  const reply = await must(client, calls.range, all);
  client.close();
  return Number(reply.count as bigint);
}

/** A directory with 200 acknowledged keys, left by kill -9. */
async function filledDirectory(name: string): Promise<ProgramOptions> {
  const options = optionsFor(name, join(scratchDirectory('bad-directory'), 'data'));
  const program = await start(options);
  await fill(program, 200);
  await program.kill();
  return options;
}

/** The program ends by itself, not with 0, and its log says what the pattern asks for. */
async function refuses(t: Test, options: ProgramOptions, reason: RegExp): Promise<void> {
  const program = await launch(options);
  try {
    const ending = await within('the refusal', program.ended, refusalTimeoutMs);
    t.not(ending.code, 0, 'exit code');
    t.equal(ending.signal, null, 'ends by itself');
    t.match(program.log.slice(-6000), reason, 'says why');
  } catch (error) {
    t.fail(`${error instanceof Error ? error.message : error}\n${program.log.slice(-2000)}`);
    await program.kill();
  }
}

function logFiles(dataDir: string): string[] {
  const folder = join(dataDir, 'member', 'wal');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.wal') || file.endsWith('.log'))
    .sort()
    .map((file) => join(folder, file));
}

/** Length of a file without the zeros that it was preallocated with. */
function usedLength(bytes: Buffer): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length -= 1;
  return length;
}

function flipByte(path: string, offset: number, byte: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([byte ^ 0x10]), 0, 1, offset);
}

async function secondProcess(t: Test, name: string): Promise<void> {
  const options = optionsFor(name, join(scratchDirectory('bad-directory'), 'data'));
  const first = await start(options);
  await fill(first, 10);
  await refuses(t, options, /lock|in use|another process/i);
  t.ok(first.running, 'the first goes on');
  await fill(first, 20);
  t.equal(await countKeys(first), 20, 'and serves');
  await first.kill();
  const next = await start(options);
  t.equal(await countKeys(next), 20, 'its lock died with it');
  await next.kill();
}

/** The last record half written, as a crash of the machine leaves it. */
async function tornTail(t: Test, name: string): Promise<void> {
  const options = await filledDirectory(name);
  const path = logFiles(options.dataDir).at(-1) ?? '';
  const bytes = readFileSync(path);
  // Zeros after the cut stand for what was preallocated and never written.
  const cut = usedLength(bytes) - 20;
  writeFileSync(path, Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(bytes.length - cut)]));
  const program = await start(options);
  const left = await countKeys(program);
  t.ok(left === 199 || left === 200, `${left} keys after a torn tail`);
  await fill(program, 200);
  t.equal(await countKeys(program), 200, 'writes go on');
  await program.kill();
}

/**
 * The file ends in the middle of a record. Segments are preallocated, so no crash leaves that: what
 * was cut off may have been acknowledged. MetaStore refuses; a real etcd cuts the record off.
 */
async function truncatedFile(t: Test, name: string): Promise<void> {
  const options = await filledDirectory(name);
  const path = logFiles(options.dataDir).at(-1) ?? '';
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, usedLength(bytes) - 20));
  const refused = name !== 'etcd';
  if (refused) {
    await refuses(t, options, /\.wal: offset \d+/);
    writeFileSync(path, bytes);
  }
  const program = await start(options);
  const keys = await countKeys(program);
  t.ok(keys >= (refused ? 200 : 199), `${keys} keys are there`);
  await program.kill();
}

/** A flipped bit before intact records is damage, not a torn tail: nothing may be cut silently. */
async function flippedBit(t: Test, name: string): Promise<void> {
  const options = await filledDirectory(name);
  const copy = `${options.dataDir}-copy`;
  cpSync(options.dataDir, copy, { recursive: true });
  for (const share of [0.3, 0.6]) {
    const path = logFiles(options.dataDir).at(-1) ?? '';
    const bytes = readFileSync(path);
    const offset = Math.floor(usedLength(bytes) * share);
    flipByte(path, offset, bytes[offset] ?? 0);
    await refuses(t, options, /\.(?:wal|log)|offset|crc|checksum|corrupt|damage/i);
    flipByte(path, offset, (bytes[offset] ?? 0) ^ 0x10);
  }
  const program = await start(options);
  t.equal(await countKeys(program), 200, 'a refusal changed nothing');
  await program.kill();
}

/** Root may write anywhere: as root the server is started as another user. */
function unprivileged(folder: string): { program?: string } | null {
  if (process.getuid?.() !== 0) return {};
  if (spawnSync('setpriv', ['--version']).status !== 0) return null;
  const program = join(folder, 'as-nobody');
  const drop = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups';
  writeFileSync(program, `#!/bin/sh\n${drop} ${launcher} "$@"\n`, { mode: 0o755 });
  chmodSync(folder, 0o755);
  return { program };
}

async function readOnly(t: Test, name: string): Promise<void> {
  const folder = scratchDirectory('bad-directory');
  const extra = unprivileged(folder);
  if (extra === null) {
    t.comment('root without setpriv');
    return;
  }
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o555 });
  await refuses(
    t,
    { ...optionsFor(name, dataDir), ...extra },
    /permission denied|read-only|EACCES/i,
  );
  t.strictSame(readdirSync(dataDir), [], 'nothing was written');
}

async function otherEngine(t: Test, name: string): Promise<void> {
  const options = await filledDirectory(name);
  const other = name === 'memory' ? 'rocksdb' : 'memory';
  await refuses(t, { ...options, engine: other }, /engine/i);
  const program = await start(options);
  t.equal(await countKeys(program), 200, 'its own engine finds everything');
  await program.kill();
}

async function notADirectory(t: Test, name: string): Promise<void> {
  const path = join(scratchDirectory('bad-directory'), 'file');
  writeFileSync(path, 'not a directory');
  await refuses(t, optionsFor(name, path), /directory|ENOTDIR|EEXIST/i);
  t.equal(readFileSync(path, 'utf8'), 'not a directory', 'the file is as it was');
}

for (const name of names) {
  const isEtcd = name === 'etcd';
  const tests: [string, (t: Test, name: string) => Promise<void>, forEtcdToo: boolean][] = [
    // A real etcd waits for the lock without end.
    ['a second process', secondProcess, false],
    // It takes zeros for a torn record only by whole sectors, and a flipped bit at times too.
    ['a torn tail', tornTail, false],
    ['a truncated log file', truncatedFile, true],
    ['a flipped bit in the log', flippedBit, false],
    ['a directory that is not writable', readOnly, false],
    ['the other engine', otherEngine, false],
    ['a file in place of the directory', notADirectory, true],
  ];
  for (const [what, work, forEtcdToo] of tests) {
    if (isEtcd && !forEtcdToo) continue;
    t.test(`${name}: ${what}`, async (t) => work(t, name));
  }
}
