// The tools that read a backup: etcdctl (new and 3.4), etcdutl and bbolt, and a real etcd started
// on what they restore. Called by the tests of this folder; a tool that is not here is null.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';

import { MemberProcess, serverEnvironment } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 120_000;

/** Runs a program to its end, while this process goes on. */
export function run(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { ...serverEnvironment(), ETCDCTL_API: '3' };
    const child = spawn(program, args, { env, timeout: TIMEOUT_MS });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** Runs a program that has to succeed; what it printed. */
export async function succeed(program: string, args: readonly string[]): Promise<string> {
  const ran = await run(program, args);
  if (ran.status !== 0) {
    throw new Error(`${program} ${args.join(' ')} ended with ${ran.status}: ${ran.stderr}`);
  }
  return ran.stdout;
}

function oldEtcdctl(): string | null {
  for (const program of [process.env.METASTORE_ETCDCTL_34, '/usr/bin/etcdctl', 'etcdctl']) {
    if (program === undefined) continue;
    const env = { PATH: process.env.PATH ?? '', ETCDCTL_API: '3' };
    const { stdout } = spawnSync(program, ['version'], { encoding: 'utf8', env });
    if (/etcdctl version: 3\.4\./.test(stdout ?? '')) return program;
  }
  return null;
}

export interface Tools {
  readonly etcd: string;
  readonly etcdctl: string;
  readonly etcdutl: string;
  readonly bbolt: string | null;
  readonly etcdctl34: string | null;
}

/** Null unless the reference's own programs are here. */
export function findTools(): Tools | null {
  const { METASTORE_ETCD: etcd, METASTORE_ETCDCTL: etcdctl } = process.env;
  const { METASTORE_ETCDUTL: etcdutl, METASTORE_BBOLT: bbolt } = process.env;
  if (!etcd || !etcdctl || !etcdutl) return null;
  return { etcd, etcdctl, etcdutl, bbolt: bbolt || null, etcdctl34: oldEtcdctl() };
}

export interface FileStatus {
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  readonly totalSize: number;
  readonly version?: string;
}

/** `snapshot status` of a tool. */
export async function statusOf(program: string, file: string): Promise<FileStatus> {
  const text = await succeed(program, ['snapshot', 'status', file, '-w', 'json']);
  return JSON.parse(text) as FileStatus;
}

/** `etcdutl hashkv`: it writes to what it opens, so it gets a copy. */
export async function hashKvOf(tools: Tools, file: string): Promise<number> {
  const copy = `${file}.hashkv`;
  copyFileSync(file, copy);
  const text = await succeed(tools.etcdutl, ['hashkv', copy, '-w', 'json']);
  return (JSON.parse(text) as { hash: number }).hash;
}

/** What bbolt's own check says of the database, without the digest behind it. */
export async function checkOf(bbolt: string, file: string): Promise<string> {
  const bare = `${file}.bare`;
  const bytes = readFileSync(file);
  writeFileSync(bare, bytes.subarray(0, bytes.length - 32) as unknown as Uint8Array);
  const { stdout, stderr } = await run(bbolt, ['check', bare]);
  return (stdout + stderr).trim();
}

/** Restores a backup with `program`, and starts a real etcd on it. */
export async function startRestored(
  tools: Tools,
  file: string,
  extra: readonly string[] = [],
  program = tools.etcdutl,
): Promise<MemberProcess> {
  const dataDir = `${tempDir('restored')}/data`;
  const member = await MemberProcess.prepare({ engine: null, dataDir, command: tools.etcd });
  const peer = `http://127.0.0.1:${member.peerPort}`;
  await succeed(program, [
    'snapshot',
    'restore',
    file,
    `--data-dir=${dataDir}`,
    '--name=m1',
    `--initial-cluster=m1=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    ...extra,
  ]);
  await member.restart();
  return member;
}
