// Who is let in: a table of server flags and clients, each pair tried on this server and, where
// there is one (METASTORE_ETCD, or the reference that scripts/reference.mjs fetches), on a real
// etcd of the same flags: the same outcome, and the same reasons in the log.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { packageRoot } from '../../../src/base/package.js';
import { Authority, type CertificateFiles } from '../../support/etcd/certificates.js';
import { type Dial, dialTls } from '../../support/etcd/tls-dial.js';
import { freePorts } from '../../support/ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor, within } from '../../support/wait.js';

const reference = process.env.METASTORE_ETCD ?? join(packageRoot, '.cache', 'reference', 'etcd');

const folder = tempDir('tls');
const ca = await Authority.make(folder, 'ca');
const other = await Authority.make(folder, 'other');
const server = await ca.issue('server');
const clients = {
  none: null,
  good: await ca.issue('good', { commonName: 'alice', hosts: [] }),
  named: await ca.issue('named', { hosts: ['app.example', '10.1.2.3'] }),
  serverOnly: await ca.issue('server-only', { usages: ['server'] }),
  expired: await ca.issue('expired', { days: -0.5 }),
  revoked: await ca.issue('revoked', { hosts: ['r.example'] }),
  wrong: await other.issue('wrong', { hosts: [] }),
} satisfies Record<string, CertificateFiles | null>;
const crl = await ca.revoke([clients.revoked.serial, '00ffee']);

const shown = [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`];
const trusting = [...shown, `--trusted-ca-file=${ca.caFile}`];
const allClients = Object.keys(clients) as (keyof typeof clients)[];

interface Row {
  readonly flags: readonly string[];
  readonly clients: readonly (keyof typeof clients)[];
  readonly how?: Partial<Dial>[];
}

const bothVersions: Partial<Dial>[] = [{ version: 'TLSv1.2' }, { version: 'TLSv1.3' }];
const ecdsa = 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256';

const rows: Readonly<Record<string, Row>> = {
  'no client certificates': { flags: shown, clients: ['none', 'good', 'wrong'] },
  'a trusted authority alone': { flags: trusting, clients: allClients, how: bothVersions },
  'client-cert-auth and a revocation list': {
    flags: [...trusting, '--client-cert-auth', `--client-crl-file=${crl}`],
    clients: ['none', 'good', 'revoked', 'wrong'],
    how: bothVersions,
  },
  'a revocation list in PEM': {
    flags: [...trusting, `--client-crl-file=${crl}.pem`],
    clients: ['none', 'good'],
  },
  'a revocation list that is not there': {
    flags: [...trusting, '--client-crl-file=/no/such/file'],
    clients: ['good'],
  },
  'allowed host names': {
    flags: [...trusting, '--client-cert-allowed-hostname=app.example,10.9.9.9'],
    clients: ['good', 'named', 'revoked', 'wrong'],
    how: bothVersions,
  },
  'an allowed address': {
    flags: [...trusting, '--client-cert-allowed-hostname=10.1.2.3'],
    clients: ['good', 'named'],
  },
  'TLS 1.3 alone': {
    flags: [...shown, '--tls-min-version=TLS1.3'],
    clients: ['none'],
    how: bothVersions,
  },
  'TLS 1.2 alone': {
    flags: [...shown, '--tls-max-version=TLS1.2'],
    clients: ['none'],
    how: bothVersions,
  },
  'a cipher suite': {
    flags: [...shown, `--cipher-suites=${ecdsa}`],
    clients: ['none'],
    how: [
      { version: 'TLSv1.2' },
      { version: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
      { version: 'TLSv1.3' },
    ],
  },
  protocols: {
    flags: shown,
    clients: ['none'],
    how: [{ path: '/health' }, { protocols: ['foo'] }],
  },
};

interface Tried {
  readonly client: string;
  readonly how: string;
  readonly outcome: string;
  /** Why, as the log has it. */
  readonly reason: string;
}

/** What differs from run to run, or by the way a text names a moment or a resolver. */
function normal(reason: string): string {
  return reason
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
    .replace(/: current time .*$/, '')
    .replace(/; client offered: .*$/, '')
    .replace(/(offered only unsupported versions): .*$/, '$1')
    .replace(/(unsupported application protocols) .*$/, '$1');
}

async function tryAll(command: string, row: Row, own: readonly string[]): Promise<Tried[]> {
  const [port = 0, peerPort = 0] = await freePorts(2);
  const peer = `http://127.0.0.1:${peerPort}`;
  const flags = [
    `--data-dir=${join(tempDir('outcomes'), 'data')}`,
    `--listen-client-urls=https://127.0.0.1:${port}`,
    `--advertise-client-urls=https://127.0.0.1:${port}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    ...row.flags,
    ...own,
  ];
  const started = new RunningProcess(command, flags, serverEnvironment());
  try {
    await within('a start', started.waitForOutput('serving client traffic securely'), 20_000);
    const tried: Tried[] = [];
    for (const client of row.clients) {
      for (const how of row.how ?? [{}]) {
        tried.push(await tryOne(started, client, { port, caFile: ca.caFile, ...how }));
      }
    }
    return tried;
  } finally {
    started.signal('SIGKILL');
    await started.exited;
  }
}

async function tryOne(
  started: RunningProcess,
  client: keyof typeof clients,
  dial: Dial,
): Promise<Tried> {
  const rejections = () =>
    started.logLines().filter(({ msg }) => msg === 'rejected connection on client endpoint');
  const before = rejections().length;
  const { outcome } = await dialTls({ ...dial, own: clients[client] });
  const isRefused = !/^\d+$/.test(outcome);
  if (isRefused) {
    await waitFor('the reason', () => rejections().length > before, 2000).catch(() => undefined);
  }
  const how = `${dial.version ?? 'any'} ${dial.ciphers ?? ''}${dial.protocols?.join() ?? ''}`;
  const reason = isRefused ? normal(String(rejections()[before]?.error ?? 'none')) : '';
  return { client, how, outcome, reason };
}

/** What the other side reads of the end of a connection depends on how fast it is closed. */
function sameEnd({ outcome, ...rest }: Tried): Tried {
  return { ...rest, outcome: /^(closed|silence)$/.test(outcome) ? 'closed' : outcome };
}

const memory = ['--storage-engine=memory'];

for (const [name, row] of Object.entries(rows)) {
  t.test(name, { timeout: 120_000 }, async (t) => {
    const [ours, theirs] = await Promise.all([
      tryAll(launcher, row, memory).then((tried) => tried.map(sameEnd)),
      existsSync(reference) ? tryAll(reference, row, []).then((tried) => tried.map(sameEnd)) : null,
    ]);
    for (const { client, how, outcome, reason } of ours) {
      t.comment(`${client} ${how}: ${outcome} ${reason}`);
    }
    t.equal(ours.length, row.clients.length * (row.how?.length ?? 1));
    if (theirs !== null) {
      t.strictSame(ours, theirs);
    } else {
      t.ok(ours.every(({ outcome, reason }) => outcome === '200' || reason !== ''));
    }
  });
}
