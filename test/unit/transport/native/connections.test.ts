// Tests of src/transport/native/connections.ts: sockets in clear text and of TLS, from a port to
// the plane and back, with their places under the limit.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t from 'tap';

import { ConnectionLimit } from '../../../../src/transport/limits.js';
import { SharedPort } from '../../../../src/transport/port.js';
import { TlsAcceptor } from '../../../../src/transport/tls/acceptor.js';
import type { TlsFiles } from '../../../../src/transport/tls/options.js';
import { Authority } from '../../../support/etcd/certificates.js';
import { tempDir } from '../../../support/temp-dir.js';
import { sleep, waitFor, within } from '../../../support/wait.js';
import { call, log, openServer } from './double.js';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** A port before a server with a double plane. */
async function openPort(secure: TlsFiles | null = null) {
  const { plane, server } = openServer({
    '/s.S/Who': {
      kind: 'unary',
      handle: async ({ peer, commonName }) => Buffer.from(`${commonName}@${peer}`),
    },
  });
  const limit = new ConnectionLimit(2);
  const options = { side: 'client', checkAddresses: false, guard: () => false } as const;
  const port = new SharedPort(
    {
      http2: (socket, isSecure, place) =>
        isSecure ? server.acceptShared(socket, place) : server.accept(socket, place),
      http1: async () => ({ status: 200, headers: {}, body: '' }),
    },
    log,
    {
      clear: true,
      secure:
        secure === null
          ? null
          : (take) => new TlsAcceptor({ ...options, files: secure, protocols: ['h2'] }, take, log),
      limit,
      side: 'client',
    },
  );
  await port.listen({ host: '127.0.0.1', port: 0 });
  port.serve();
  t.teardown(() => port.close());
  return { plane, server, limit, port };
}

async function dial(port: SharedPort): Promise<Socket> {
  const socket = connect(port.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

t.test('a connection in clear text goes with its descriptor and its first bytes', async (t) => {
  const { plane, limit, port } = await openPort();
  const socket = await dial(port);
  const { port: own } = socket.address() as { port: number };
  socket.write(`${preface}rest`);
  await waitFor('the connection', () => plane.of('adopt').length === 1);
  const [[fd, first, peer, shared] = []] = plane.of('adopt');
  t.ok(Number(fd) > 2);
  t.equal(first, `${preface}rest`);
  t.equal(peer, `127.0.0.1:${own}`);
  t.equal(shared, false);
  await waitFor('the end of the socket', () => socket.destroyed);
  t.equal(limit.open, 1, 'the place is kept beyond the socket');
  plane.tell(call(7, '/s.S/Who', ''));
  await sleep(1);
  t.same(plane.of('reply'), [[7, `null@${peer}`]]);
  plane.tell((to) => to.closed(1));
  t.equal(limit.open, 0);
  plane.tell((to) => to.closed(1));
  t.equal(limit.open, 0, 'it is given back once');
});

t.test('a connection that the plane cannot take is closed, and its place is free', async (t) => {
  const { plane, limit, port } = await openPort();
  plane.nextConnection = -24;
  const socket = await dial(port);
  socket.write(preface);
  await waitFor('the end', () => socket.destroyed);
  t.equal(limit.open, 0);
});

t.test('a stop waits for connections, and takes no more', async (t) => {
  const { plane, server, limit, port } = await openPort();
  const socket = await dial(port);
  socket.write(preface);
  await waitFor('the connection', () => plane.of('adopt').length === 1);
  const stopped = server.stop(10_000);
  t.equal(server.stop(1), stopped);
  const late = await dial(port);
  late.write(preface);
  await waitFor('the end of the late one', () => late.destroyed);
  t.same(plane.of('stop'), []);
  plane.tell((to) => to.closed(1));
  await within('the stop', stopped);
  t.same(plane.of('stop'), [[]]);
  t.equal(limit.open, 0);
});

t.test('what is left when the grace is over is cut', async (t) => {
  const { plane, server, limit, port } = await openPort();
  const socket = await dial(port);
  socket.write(preface);
  await waitFor('the connection', () => plane.of('adopt').length === 1);
  const began = performance.now();
  await server.stop(100);
  t.ok(performance.now() - began >= 90);
  t.same(plane.of('drainConnections'), [[]]);
  t.same(plane.of('stop'), [[]]);
  t.equal(limit.open, 0);
});

t.test('an encrypted connection: bytes in, bytes out, its end from either side', async (t) => {
  const folder = tempDir('native-connections');
  const ca = await Authority.make(folder, 'ca');
  const own = await ca.issue('server');
  const alice = await ca.issue('alice');
  const files: TlsFiles = {
    ...{ certFile: own.certFile, keyFile: own.keyFile, trustedCaFile: ca.caFile },
    ...{ clientCertAuth: true, crlFile: '', allowedCns: [], allowedHostnames: [] },
    ...{ clientCertFile: '', clientKeyFile: '', autoTls: false, selfSignedValidityYears: 1 },
    ...{ cipherSuites: [], minVersion: 'TLS1.2', maxVersion: 'TLS1.3' },
    skipClientSanVerification: false,
  };
  const { plane, limit, port } = await openPort(files);
  const dialled = async (): Promise<TLSSocket> => {
    const socket = connectTls({
      port: port.port,
      host: '127.0.0.1',
      ca: readFileSync(ca.caFile),
      cert: readFileSync(alice.certFile),
      key: readFileSync(alice.keyFile),
      ALPNProtocols: ['h2'],
    });
    socket.on('error', () => undefined);
    await within('a handshake', once(socket, 'secureConnect'));
    return socket;
  };
  const one = await dialled();
  one.write(preface);
  await waitFor('the bytes', () => plane.of('feed').length > 0);
  t.same(plane.of('feed'), [[1, preface]]);
  const [[peer, name, shared] = []] = plane.of('attach');
  t.same([name, shared], ['alice', true]);
  plane.tell(call(7, '/s.S/Who', ''));
  await sleep(1);
  t.same(plane.of('reply'), [[7, `alice@${peer}`]]);
  const read = once(one, 'data');
  plane.tell((to) => to.output(1, Buffer.from('hello')));
  t.equal(String((await within('output', read))[0]), 'hello');
  await waitFor('word that it was written', () => plane.of('outputTaken').length > 0);
  t.same(plane.of('outputTaken'), [[1, 5]]);

  const rest = once(one, 'data');
  const ended = once(one, 'close');
  plane.tell(
    (to) => to.output(1, Buffer.from('last')),
    (to) => to.closed(1),
  );
  t.equal(String((await within('output', rest))[0]), 'last');
  await within('the end', ended);
  await waitFor('the place', () => limit.open === 0);

  const two = await dialled();
  await waitFor('the second', () => plane.of('attach').length === 2);
  two.destroy();
  await waitFor('word of its end', () => plane.of('ended').some(([id]) => id === 2));
  await waitFor('the place', () => limit.open === 0);
});
