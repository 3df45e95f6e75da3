// What a row of the report is measured on: one server in clear text, one over TLS, or a cluster of
// three; MetaStore with either engine or a real etcd. Started fresh, stopped after its rows.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Authority } from '../../../test/support/etcd/certificates.js';
import { freePorts } from '../../../test/support/ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../../../test/support/process.js';
import { tempDir } from '../../../test/support/temp-dir.js';
import { within } from '../../../test/support/wait.js';

export type Place = 'single' | 'tls' | 'cluster';
export const places: readonly Place[] = ['single', 'tls', 'cluster'];

export interface Target {
  readonly server: string;
  readonly pids: readonly number[];
  /** What every run of the generator gets. */
  readonly args: readonly string[];
  /** `http://host:port` of a server in clear text. */
  readonly url: string | null;
  readonly clientUrls: readonly string[];
  stop(): Promise<void>;
}

const readyText = 'ready to serve client requests';
const readyTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
/** No row may run into the quota of 2 GiB. */
const commonFlags = ['--quota-backend-bytes=8589934592', '--log-level=error'];

export interface TargetOptions {
  /** `etcd`, or an engine and flags of its own: `rocksdb --entry-batch`. */
  readonly server: string;
  readonly place: Place;
  /** More flags for MetaStore. */
  readonly flags: readonly string[];
}

function commandOf(server: string): string {
  if (server !== 'etcd') return launcher;
  const path = process.env.METASTORE_ETCD;
  if (!path) throw new Error('METASTORE_ETCD names no etcd');
  return path;
}

async function tlsFlags(): Promise<{ flags: string[]; args: string[] }> {
  const authority = await Authority.make(tempDir('bench-tls'));
  const { certFile, keyFile } = await authority.issue('server');
  return {
    flags: [`--cert-file=${certFile}`, `--key-file=${keyFile}`],
    args: [`--cacert=${authority.caFile}`],
  };
}

interface MemberPlan {
  readonly name: string;
  readonly dir: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
}

async function planMembers(count: number, scheme: string): Promise<MemberPlan[]> {
  const ports = await freePorts(2 * count);
  return Array.from({ length: count }, (_, index) => ({
    name: `m${index + 1}`,
    dir: tempDir('bench'),
    clientUrl: `${scheme}://127.0.0.1:${ports[2 * index]}`,
    peerUrl: `http://127.0.0.1:${ports[2 * index + 1]}`,
  }));
}

function launch(plan: MemberPlan, initial: string, options: TargetOptions, more: string[]) {
  const { server, flags } = options;
  const [engine = '', ...particular] = server.split(' ');
  const own = server === 'etcd' ? [] : [`--storage-engine=${engine}`, ...flags, ...particular];
  const args = [
    `--name=${plan.name}`,
    `--data-dir=${join(plan.dir, 'data')}`,
    `--listen-client-urls=${plan.clientUrl}`,
    `--advertise-client-urls=${plan.clientUrl}`,
    `--listen-peer-urls=${plan.peerUrl}`,
    `--initial-advertise-peer-urls=${plan.peerUrl}`,
    `--initial-cluster=${initial}`,
    ...[...commonFlags, ...own, ...more],
  ];
  return new RunningProcess(commandOf(server), args, serverEnvironment());
}

async function stopAll(running: readonly RunningProcess[]): Promise<void> {
  for (const one of running) one.signal('SIGTERM');
  const timer = setTimeout(() => {
    for (const one of running) one.signal('SIGKILL');
  }, stopTimeoutMs);
  await Promise.all(running.map((one) => one.exited));
  clearTimeout(timer);
}

/** True once a request through every endpoint has been answered. */
async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}

async function waitReady(one: RunningProcess, url: string): Promise<void> {
  // At this log level etcd does not say that it is ready; in clear text its health does.
  if (url.startsWith('https'))
    return within('starting', one.waitForOutput(readyText), readyTimeoutMs);
  const until = Date.now() + readyTimeoutMs;
  while (!(await answers(url))) {
    if (!one.alive || Date.now() > until) throw new Error(`not ready:\n${one.stderr.slice(-4000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts it and waits until it serves. @throws Error with the log's end when it does not */
export async function startTarget(options: TargetOptions): Promise<Target> {
  const { server, place } = options;
  const tls = place === 'tls' ? await tlsFlags() : { flags: [], args: [] };
  const more = place === 'tls' ? [...tls.flags, '--log-level=info'] : tls.flags;
  const plans = await planMembers(place === 'cluster' ? 3 : 1, place === 'tls' ? 'https' : 'http');
  const initial = plans.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join();
  const running = plans.map((plan) => launch(plan, initial, options, more));
  // Five rounds of three members leave more than many a disk has room for.
  const stop = async (): Promise<void> => {
    await stopAll(running);
    for (const { dir } of plans) rmSync(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(running.map((one, index) => waitReady(one, plans[index]?.clientUrl ?? '')));
  } catch (error) {
    await stop();
    throw new Error(`${server} (${place}) did not start`, { cause: error });
  }
  const clientUrls = plans.map(({ clientUrl }) => clientUrl);
  return {
    server,
    pids: running.map((one) => one.pid),
    args: [`--endpoints=${clientUrls.join()}`, ...tls.args],
    url: place === 'tls' ? null : (clientUrls[0] ?? null),
    clientUrls,
    stop,
  };
}

/** The URL of the member that leads. @throws Error when none says so of itself */
export async function leaderOf(target: Target): Promise<string> {
  for (const url of target.clientUrls) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (/^etcd_server_is_leader 1$/m.test(metrics)) return url;
  }
  throw new Error(`${target.server}: no member leads`);
}
