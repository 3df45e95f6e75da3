// Members that talk over TLS in less usual ways: certificates of their own making, socket files,
// and names of clients that nobody looks at.

import t from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import {
  type Peer,
  ready,
  refusals,
  secured,
  startThree,
  works,
} from '../../support/etcd/tls-cluster.js';
import { dialTls } from '../../support/etcd/tls-dial.js';
import { tempDir } from '../../support/temp-dir.js';

const ca = await Authority.make(tempDir('tls-peers'));

t.test('the names of a member are not looked at when nobody wants it', async (t) => {
  const good = await ca.issue('good', { hosts: ['127.0.0.1'] });
  const elsewhere = await ca.issue('elsewhere', { hosts: ['foo.example'] });
  const flags = secured(good, ca.caFile, ['--peer-skip-client-san-verification']);
  const members = await startThree(t, [flags, flags, flags]);
  await ready(members);
  const [first] = members as [Peer];
  const dial = { port: first.peerPort, caFile: ca.caFile, own: elsewhere };
  t.equal((await dialTls(dial)).outcome, '200');
  t.same(
    refusals(first).filter((text) => text.includes('DNSNames')),
    [],
  );
});

t.test('certificates of their own making', async (t) => {
  const auto = await startThree(
    t,
    Array.from({ length: 3 }, () => ['--peer-auto-tls']),
  );
  await ready(auto);
  await works(t, auto);
});

t.test('socket files under TLS', async (t) => {
  const flags = secured(await ca.issue('sockets', { hosts: ['localhost'] }), ca.caFile);
  const urls = ['unixs://localhost:m1', 'unixs://localhost:m2', 'unixs://localhost:m3'];
  const sockets = await startThree(t, [flags, flags, flags], urls);
  await ready(sockets);
  await works(t, sockets);
});
