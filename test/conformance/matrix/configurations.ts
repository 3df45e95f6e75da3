// The clusters that the clients are held against: one and three members, each engine, in clear
// text, over TLS with client certificates, and with passwords over TLS. Used by matrix.test.ts.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Authority, type CertificateFiles } from '../../support/etcd/certificates.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';

export type Mode = 'plain' | 'TLS' | 'auth';

export interface Configuration {
  readonly members: 1 | 3;
  readonly engine: 'memory' | 'rocksdb';
  readonly mode: Mode;
}

export const configurations: readonly Configuration[] = ([1, 3] as const).flatMap((members) =>
  (['memory', 'rocksdb'] as const).flatMap((engine) =>
    (['plain', 'TLS', 'auth'] as const).map((mode) => ({ members, engine, mode })),
  ),
);

export function nameOf({ members, engine, mode }: Configuration): string {
  return `${members} ${members === 1 ? 'member' : 'members'}, ${engine}, ${mode}`;
}

/** Who may do everything where authentication is on. */
const root = { user: 'root', password: 'secret' } as const;

const READY_TIMEOUT_MS = 30_000;
/** Members trust each other's connections, which may come late, after five seconds. */
const CONNECTED_MS = 7000;

export interface RunningCluster {
  /** Names of members whose process has ended, which none should. */
  dead(): readonly string[];
  /** `--name=value` words for a client's program. */
  readonly args: readonly string[];
  /** What etcdctl is given. */
  readonly etcdctl: readonly string[];
}

interface Place {
  readonly clientPort: number;
  readonly peerPort: number;
}

function flagsOf(
  { engine, mode }: Configuration,
  tls: { readonly caFile: string; readonly server: CertificateFiles } | null,
  places: readonly Place[],
  at: number,
  folder: string,
): string[] {
  const scheme = tls === null ? 'http' : 'https';
  const place = places[at] as Place;
  const client = `${scheme}://127.0.0.1:${place.clientPort}`;
  const peer = (port: number) => `${mode === 'TLS' ? 'https' : 'http'}://127.0.0.1:${port}`;
  const certificate = (side: string) =>
    tls === null
      ? []
      : [`--${side}cert-file=${tls.server.certFile}`, `--${side}key-file=${tls.server.keyFile}`];
  const verified = (side: string) => [
    ...certificate(side),
    `--${side}trusted-ca-file=${tls?.caFile}`,
    `--${side}client-cert-auth`,
  ];
  const security = {
    plain: [],
    TLS: [...verified(''), ...verified('peer-')],
    auth: [...certificate(''), '--bcrypt-cost=4'],
  };
  return [
    `--name=m${at}`,
    `--data-dir=${join(folder, `m${at}`)}`,
    `--storage-engine=${engine}`,
    // Clear text on the same port, where passwords do not cross a network.
    `--listen-client-urls=${client}${mode === 'auth' ? `,${client.replace('https', 'http')}` : ''}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer(place.peerPort)}`,
    `--initial-advertise-peer-urls=${peer(place.peerPort)}`,
    `--initial-cluster=${places.map((other, i) => `m${i}=${peer(other.peerPort)}`).join()}`,
    ...security[mode],
  ];
}

/** A message of short strings only, in the order of their field numbers. */
function strings(...values: readonly string[]): Uint8Array {
  const fields = values.map((value, i) => [
    ((i + 1) << 3) | 2,
    value.length,
    ...Buffer.from(value),
  ]);
  return Uint8Array.from(fields.flat());
}

async function enableAuth(endpoint: string): Promise<void> {
  const client = new EtcdClient(endpoint);
  try {
    await client.raw('/etcdserverpb.Auth/UserAdd', strings(root.user, root.password));
    await client.raw('/etcdserverpb.Auth/RoleAdd', strings('root'));
    await client.raw('/etcdserverpb.Auth/UserGrantRole', strings(root.user, 'root'));
    await client.raw('/etcdserverpb.Auth/AuthEnable', strings());
  } finally {
    client.close();
  }
}

/** Starts a cluster, which is stopped with the test. */
export async function startCluster(t: Test, wanted: Configuration): Promise<RunningCluster> {
  const folder = tempDir('matrix');
  mkdirSync(join(folder, 'tls'));
  const authority = await Authority.make(join(folder, 'tls'));
  const tls =
    wanted.mode !== 'plain'
      ? { caFile: authority.caFile, server: await authority.issue('server') }
      : null;
  const ports = await freePorts(2 * wanted.members);
  const places = Array.from({ length: wanted.members }, (_, i) => {
    return { clientPort: ports[2 * i] ?? 0, peerPort: ports[2 * i + 1] ?? 0 };
  });
  const members = places.map((_, at) => {
    const flags = flagsOf(wanted, tls, places, at, folder);
    return new RunningProcess(launcher, flags, serverEnvironment());
  });
  t.teardown(async () => {
    for (const member of members) member.signal('SIGKILL');
    await Promise.all(members.map((member) => member.exited));
  });
  const ready = members.map((member) => member.waitForOutput('ready to serve client requests'));
  await within('becoming ready', Promise.all(ready), READY_TIMEOUT_MS);
  const endpoints = places.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  if (wanted.mode === 'auth') await enableAuth(endpoints[0] ?? '');
  if (wanted.members > 1) await new Promise((resolve) => setTimeout(resolve, CONNECTED_MS));
  const dead = () => members.flatMap((member, at) => (member.alive ? [] : [`m${at}`]));
  const words = access(
    endpoints,
    wanted.mode,
    wanted.mode === 'TLS' ? await authority.issue('client') : null,
    tls?.caFile,
  );
  return { ...words, dead };
}

function access(
  endpoints: readonly string[],
  mode: Mode,
  client: CertificateFiles | null,
  caFile = '',
): Pick<RunningCluster, 'args' | 'etcdctl'> {
  const args = [`--endpoints=${endpoints.join()}`];
  const etcdctl = [`--endpoints=${endpoints[0]}`];
  const own = client === null ? [] : [`--cert=${client.certFile}`, `--key=${client.keyFile}`];
  const files = caFile === '' ? [] : [`--cacert=${caFile}`, ...own];
  args.push(...files);
  etcdctl.push(...files);
  if (mode === 'auth') {
    args.push(`--user=${root.user}`, `--password=${root.password}`);
    etcdctl.push(`--user=${root.user}:${root.password}`);
  }
  return { args, etcdctl };
}
