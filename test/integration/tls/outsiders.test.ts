// Who stays outside of a cluster over TLS: members with a wrong name, of another authority, of
// another host, or revoked; with the reason on both sides.

import t from 'tap';

import { Authority, type CertificateFiles } from '../../support/etcd/certificates.js';
import {
  failures,
  type Peer,
  READY,
  ready,
  refusals,
  secured,
  startThree,
  works,
} from '../../support/etcd/tls-cluster.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';

const folder = tempDir('tls-cluster');
const ca = await Authority.make(folder, 'ca');
const other = await Authority.make(folder, 'other');
const good = await ca.issue('good', { commonName: 'example.com', hosts: ['127.0.0.1'] });

t.test('a member with a wrong common name stays outside', async (t) => {
  const bad = await ca.issue('bad', { commonName: 'bad.cn', hosts: ['127.0.0.1'] });
  const cns = ['--peer-cert-allowed-cn=other.cn,example.com'];
  const flags = secured(good, ca.caFile, cns);
  const members = await startThree(t, [flags, flags, secured(bad, ca.caFile, cns)]);
  const [first, second, third] = members as [Peer, Peer, Peer];
  await ready([first, second]);
  await works(t, [first, second]);
  const text = 'client certificate authentication failed';
  await waitFor(
    'its refusal',
    () => refusals(first).includes(text) || refusals(second).includes(text),
  );
  await waitFor('the alert', () => failures(third).includes('remote error: tls: bad certificate'));
  t.ok(failures(first).includes(text), 'nor is its own certificate taken');
  t.notOk(third.started.stderr.includes(READY));
});

t.test('a member of another authority, and one with the names of another host', async (t) => {
  const foreign = await other.issue('foreign', { hosts: ['127.0.0.1'] });
  const elsewhere = await ca.issue('elsewhere', { hosts: ['foo.example'] });
  const flags = secured(good, ca.caFile);
  const rows: [CertificateFiles, RegExp, RegExp][] = [
    [
      foreign,
      /x509: certificate signed by unknown authority$/,
      /tls: unknown certificate authority$/,
    ],
    [elsewhere, /^tls: "127\.0\.0\.1" does not match any of DNSNames \["foo\.example"\]/, /closed/],
  ];
  for (const [own, refused, told] of rows) {
    const members = await startThree(t, [flags, flags, secured(own, ca.caFile)]);
    const [first, second, third] = members as [Peer, Peer, Peer];
    await ready([first, second]);
    await waitFor('the refusal', () =>
      [first, second].some((one) => refusals(one).some((text) => refused.test(text))),
    );
    await waitFor('what it is told', () => failures(third).some((text) => told.test(text)));
    t.notOk(third.started.stderr.includes(READY));
    for (const { started } of members) started.signal('SIGKILL');
  }
});

t.test('a revoked member is shut out', async (t) => {
  const revoked = await ca.issue('revoked-peer', { hosts: ['127.0.0.1'] });
  const crl = await ca.revoke([revoked.serial], 'peers');
  const flags = secured(good, ca.caFile, [`--peer-crl-file=${crl}`]);
  const members = await startThree(t, [flags, flags, secured(revoked, ca.caFile)]);
  const [first, second, third] = members as [Peer, Peer, Peer];
  await ready([first, second]);
  const refused = new RegExp(`^transport: certificate serial ${revoked.serial.slice(2)} revoked$`);
  await waitFor('the refusal', () =>
    [first, second].some((one) => refusals(one).some((text) => refused.test(text))),
  );
  t.notOk(third.started.stderr.includes(READY));
});
