// What changes while a server runs: certificates renewed, half written and revoked, connections
// that go on; and certificates that a server makes for itself.

import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import { dialTls } from '../../support/etcd/tls-dial.js';
import { kill, secureClient, startListening } from '../../support/etcd/tls-server.js';
import { freePorts } from '../../support/ports.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor, within } from '../../support/wait.js';

const folder = tempDir('renewal');
const ca = await Authority.make(folder);

t.test('a certificate is renewed while the server runs', async (t) => {
  const first = await ca.issue('first');
  const certFile = join(folder, 'served.pem');
  const keyFile = join(folder, 'served-key.pem');
  const serve = (from: { certFile: string; keyFile: string }) => {
    copyFileSync(from.certFile, certFile);
    copyFileSync(from.keyFile, keyFile);
  };
  serve(first);
  const [port = 0] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const started = await startListening([
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--cert-file=${certFile}`,
    `--key-file=${keyFile}`,
  ]);
  t.teardown(() => kill(started));
  const serialNow = async () =>
    Number.parseInt((await dialTls({ port, caFile: ca.caFile })).serial, 16);
  t.equal(await serialNow(), Number.parseInt(first.serial, 16));
  const early = secureClient(`127.0.0.1:${port}`, ca.caFile);
  await early.put('a', '1');

  const second = await ca.issue('second');
  serve(second);
  t.equal(await serialNow(), Number.parseInt(second.serial, 16), 'at the very next handshake');
  t.equal((await early.get('a'))?.value.toString(), '1', 'an open connection goes on');

  writeFileSync(keyFile, readFileSync(first.keyFile));
  t.equal((await dialTls({ port, caFile: ca.caFile })).outcome, 'closed', 'half of a renewal');
  await waitFor('the reason', () =>
    started.stderr.includes('private key does not match public key'),
  );
  writeFileSync(certFile, 'garbage');
  t.equal((await dialTls({ port, caFile: ca.caFile })).outcome, 'closed');
  t.equal((await early.get('a'))?.value.toString(), '1');

  serve(first);
  t.equal(await serialNow(), Number.parseInt(first.serial, 16), 'and whole again');
  early.close();
});

/** A connection that takes up the session of an earlier one; null when the server refuses it. */
function resumed(port: number, own: { certFile: string; keyFile: string }, session?: Buffer) {
  return new Promise<{ isReused: boolean; session: Buffer | undefined; answered: boolean }>(
    (resolve) => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: readFileSync(ca.caFile),
        cert: readFileSync(own.certFile),
        key: readFileSync(own.keyFile),
        ALPNProtocols: ['http/1.1'],
        ...(session === undefined ? {} : { session }),
      });
      let newest: Buffer | undefined;
      let answered = false;
      let isReused = false;
      socket.on('session', (ticket: Buffer) => {
        newest = ticket;
      });
      socket.on('error', () => undefined);
      socket.on('data', () => {
        answered = true;
        socket.end();
      });
      socket.once('secureConnect', () => {
        isReused = socket.isSessionReused();
        socket.write('GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      });
      socket.once('close', () => resolve({ isReused, session: newest, answered }));
    },
  );
}

t.test('a certificate is revoked while the server runs', async (t) => {
  const server = await ca.issue('server');
  const good = await ca.issue('good');
  const bad = await ca.issue('bad');
  const crl = await ca.revoke([], 'list');
  const [port = 0] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const started = await startListening([
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--cert-file=${server.certFile}`,
    `--key-file=${server.keyFile}`,
    `--trusted-ca-file=${ca.caFile}`,
    '--client-cert-auth',
    `--client-crl-file=${crl}`,
  ]);
  t.teardown(() => kill(started));
  const outcome = async (own: typeof good) =>
    (await dialTls({ port, caFile: ca.caFile, own })).outcome;
  t.equal(await outcome(bad), '200');
  const before = await resumed(port, bad);
  t.ok(before.answered);
  t.ok(before.session !== undefined, 'the session can be taken up again');
  const again = await resumed(port, bad, before.session);
  t.ok(again.answered);
  t.ok(again.isReused, 'and is');
  await ca.revoke([bad.serial], 'list');
  t.equal(await outcome(bad), 'closed');
  t.equal(await outcome(good), '200');
  const late = await resumed(port, bad, before.session);
  t.notOk(late.answered, 'an earlier session does not help');
  t.match(
    started.stderr,
    new RegExp(`transport: certificate serial ${bad.serial.slice(2)} revoked`),
  );
});

t.test('a server makes its certificate, and keeps it', async (t) => {
  const dataDir = join(tempDir('auto'), 'data');
  const [port = 0] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const flags = [
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    '--auto-tls',
    '--self-signed-cert-validity=2',
  ];
  const certFile = join(dataDir, 'fixtures', 'client', 'cert.pem');
  const started = await startListening(flags);
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  t.equal(mode(certFile), '644');
  t.equal(mode(join(dataDir, 'fixtures', 'client', 'key.pem')), '600');
  t.equal(mode(join(dataDir, 'fixtures', 'client')), '700');
  t.equal(mode(join(dataDir, 'fixtures')), '700');
  const made = new X509Certificate(readFileSync(certFile));
  t.equal(made.subject, 'O=etcd');
  t.equal(made.issuer, 'O=etcd');
  t.match(made.subjectAltName, /IP Address:127\.0\.0\.1/);
  t.same(made.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'for servers');
  t.equal(made.publicKey.asymmetricKeyDetails?.namedCurve, 'secp521r1');
  const days = (Date.parse(made.validTo) - Date.parse(made.validFrom)) / 86_400_000;
  t.ok(Math.abs(days - 730) < 1, `valid for ${days} days`);
  t.equal((await dialTls({ port, caFile: certFile })).outcome, '200', 'who trusts it is served');
  started.signal('SIGTERM');
  await within('a stop', started.exited);
  const next = await startListening(flags);
  t.teardown(() => kill(next));
  t.equal(new X509Certificate(readFileSync(certFile)).fingerprint, made.fingerprint);
  t.equal((await dialTls({ port, caFile: certFile })).outcome, '200');
});
