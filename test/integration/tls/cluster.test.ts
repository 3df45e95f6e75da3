// Members that talk over TLS: three with certificates of each other's form a cluster, whose
// certificates can be renewed while they run.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { Authority, type CertificateFiles } from '../../support/etcd/certificates.js';
import {
  failures,
  type Peer,
  ready,
  secured,
  startThree,
  works,
} from '../../support/etcd/tls-cluster.js';
import { dialTls } from '../../support/etcd/tls-dial.js';
import { tempDir } from '../../support/temp-dir.js';

const folder = tempDir('tls-cluster');
const ca = await Authority.make(folder, 'ca');
const good = await ca.issue('good', { commonName: 'example.com', hosts: ['127.0.0.1'] });
const serverOnly = await ca.issue('server', { hosts: ['127.0.0.1'], usages: ['server'] });
const clientOnly = await ca.issue('client', { hosts: [], usages: ['client'] });

t.test('three members over TLS, also from certificates for one purpose each', async (t) => {
  const apart = [
    `--peer-client-cert-file=${clientOnly.certFile}`,
    `--peer-client-key-file=${clientOnly.keyFile}`,
  ];
  const flags = secured(serverOnly, ca.caFile, apart);
  const members = await startThree(t, [flags, flags, flags]);
  await ready(members);
  await works(t, members);
  const [first] = members;
  const port = first?.peerPort ?? 0;
  const seen = async (own: CertificateFiles | null, path: string) =>
    (await dialTls({ port, caFile: ca.caFile, own, path })).outcome;
  t.equal(await seen(clientOnly, '/version'), '200');
  t.equal(await seen(clientOnly, '/members'), '200');
  t.equal(await seen(null, '/version'), 'alert 116');
  t.same(
    failures(first as Peer).filter((text) => /tls|certificate/i.test(text)),
    [],
  );
});

t.test('a certificate that is renewed under way serves new connections', async (t) => {
  const served = {
    certFile: join(folder, 'p.pem'),
    keyFile: join(folder, 'p-key.pem'),
    serial: '',
  };
  const renew = async (name: string) => {
    const fresh = await ca.issue(name, { hosts: ['127.0.0.1'] });
    copyFileSync(fresh.certFile, served.certFile);
    copyFileSync(fresh.keyFile, served.keyFile);
    return Number.parseInt(fresh.serial, 16);
  };
  await renew('p1');
  const flags = secured(served, ca.caFile);
  const members = await startThree(t, [flags, flags, flags]);
  await ready(members);
  const serial = await renew('p2');
  const [first, second, third] = members as [Peer, Peer, Peer];
  for (const { peerPort } of members) {
    const seen = await dialTls({ port: peerPort, caFile: ca.caFile, own: good });
    t.equal(Number.parseInt(seen.serial, 16), serial);
  }
  await works(t, [first, second, third]);
});
