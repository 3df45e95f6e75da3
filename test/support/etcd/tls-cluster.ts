// Three members over TLS for tests: started with flags of each one's own, on https or socket files,
// and asked whether they are a cluster. Whatever runs is killed when the test is over.

import { join } from 'node:path';
import type { Test } from 'tap';

import { freePorts } from '../ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../process.js';
import { tempDir } from '../temp-dir.js';
import { within } from '../wait.js';
import type { CertificateFiles } from './certificates.js';
import { EtcdClient } from './client.js';

export const READY = 'ready to serve client requests';

export interface Peer {
  readonly peerUrl: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly started: RunningProcess;
}

/** Flags of TLS for one member. */
export function secured(
  own: CertificateFiles,
  caFile: string,
  extra: readonly string[] = [],
): string[] {
  return [
    `--peer-cert-file=${own.certFile}`,
    `--peer-key-file=${own.keyFile}`,
    `--peer-trusted-ca-file=${caFile}`,
    '--peer-client-cert-auth',
    ...extra,
  ];
}

/** Starts three members; `urls` names their peer URLs, by default https on free ports. */
export async function startThree(
  t: Test,
  flags: readonly (readonly string[])[],
  urls?: readonly string[],
): Promise<Peer[]> {
  const ports = await freePorts(6);
  const peerUrls = urls ?? [0, 1, 2].map((i) => `https://127.0.0.1:${ports[2 * i]}`);
  const initial = peerUrls.map((url, i) => `m${i}=${url}`).join();
  const cwd = tempDir('members');
  const members = peerUrls.map((peerUrl, i) => {
    const clientPort = ports[2 * i + 1] ?? 0;
    const client = `http://127.0.0.1:${clientPort}`;
    const args = [
      `--name=m${i}`,
      '--storage-engine=memory',
      `--data-dir=${join(cwd, `m${i}`)}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${initial}`,
      ...(flags[i] ?? []),
    ];
    const started = new RunningProcess(launcher, args, serverEnvironment(), cwd);
    return { peerUrl, clientPort, peerPort: ports[2 * i] ?? 0, started };
  });
  t.teardown(async () => {
    for (const { started } of members) started.signal('SIGKILL');
    await Promise.all(members.map(({ started }) => started.exited));
  });
  return members;
}

export async function ready(members: readonly Peer[]): Promise<void> {
  const all = members.map(({ started }) => started.waitForOutput(READY));
  await within('a cluster', Promise.all(all), 20_000);
}

/** A write through each member, seen by the next one. */
export async function works(t: Test, members: readonly Peer[]): Promise<void> {
  const clients = members.map(({ clientPort }) => new EtcdClient(`127.0.0.1:${clientPort}`));
  for (const [i, client] of clients.entries()) {
    await client.put(`k${i}`, `${i}`);
    const next = clients[(i + 1) % clients.length];
    t.equal((await next?.get(`k${i}`))?.value.toString(), `${i}`);
  }
  for (const client of clients) client.close();
}

export const errorsOf = ({ started }: Peer, message: string) =>
  started
    .logLines()
    .filter(({ msg }) => msg === message)
    .map(({ error }) => String(error));

export const refusals = (peer: Peer) => errorsOf(peer, 'rejected connection on peer endpoint');
export const failures = (peer: Peer) => errorsOf(peer, 'cannot reach remote peer');
