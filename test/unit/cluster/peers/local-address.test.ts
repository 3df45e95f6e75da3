// Connections to members from an address that was chosen: the streams, the look at who answers, and
// questions by HTTP all come from there.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';

import { PeerHttp } from '../../../../src/cluster/http/client.js';
import type { SecureDialler } from '../../../../src/cluster/http/secure.js';
import { waitFor } from '../../../support/wait.js';
import { TestMember } from './support/test-member.js';

const dialler: SecureDialler = {
  localAddress: '127.0.0.7',
  options: () => ({}),
  failureText: (error) => error.message,
};

t.test('streams', { skip: process.platform !== 'linux' && 'one loopback address' }, async (t) => {
  const b = await TestMember.start(2n);
  const a = await TestMember.start(1n, { dialler });
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  a.peers.update([b.address]);
  b.peers.update([a.address]);
  await waitFor('both ways', () => a.isConnected(b) && b.isConnected(a));
  await waitFor('the addresses', () => b.remoteAddresses.filter((from) => from !== '').length >= 2);
  const used = b.remoteAddresses.filter((from) => from === '127.0.0.7');
  t.ok(used.length >= 2, b.remoteAddresses.join());
});

t.test('questions', { skip: process.platform !== 'linux' && 'one loopback address' }, async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.socket.remoteAddress);
    response.end('{"etcdserver":"3.7.1","etcdcluster":"3.7.0"}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = new PeerHttp(dialler);
  const { port } = server.address() as AddressInfo;
  await http.fetchVersion([`http://127.0.0.1:${port}`]);
  t.strictSame(seen, ['127.0.0.7']);
  http.close();
  server.close();
});
