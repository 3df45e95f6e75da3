// What TLS is made of: names of cipher suites and versions, keys and certificates in files,
// revocation lists, names in certificates; each with the words for what is wrong.

import { randomBytes, X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import t from 'tap';

import {
  alternativeNames,
  checkAddress,
  lastName,
} from '../../../../src/transport/tls/certificates.js';
import { checkCipherSuites, ciphersOf, versionsOf } from '../../../../src/transport/tls/ciphers.js';
import { failureText, verifyText } from '../../../../src/transport/tls/failures.js';
import { KeyPairFiles, readKeyPair } from '../../../../src/transport/tls/material.js';
import type { TlsFiles } from '../../../../src/transport/tls/options.js';
import { RevocationList, revokedSerials } from '../../../../src/transport/tls/revocation.js';
import { Authority } from '../../../support/etcd/certificates.js';
import { tempDir } from '../../../support/temp-dir.js';

const folder = tempDir('files');
const ca = await Authority.make(folder);

function suites(cipherSuites: readonly string[], minVersion: 'TLS1.2' | 'TLS1.3' = 'TLS1.2') {
  return ciphersOf({ cipherSuites, minVersion } as unknown as TlsFiles);
}

t.test('cipher suites by their registered names', (t) => {
  const rsa = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256';
  t.doesNotThrow(() => createSecureContext({ ciphers: suites([]) }), 'the default');
  const chosen = suites([rsa, 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305']).split(':');
  t.ok(chosen.includes('ECDHE-RSA-AES128-GCM-SHA256'));
  t.ok(chosen.includes('ECDHE-RSA-CHACHA20-POLY1305'));
  t.ok(chosen.includes('TLS_AES_128_GCM_SHA256'), 'those of TLS 1.3 are always there');
  t.notOk(chosen.includes('ECDHE-RSA-AES256-GCM-SHA384'));
  const old = suites([rsa, 'TLS_RSA_WITH_RC4_128_SHA']).split(':');
  t.notOk(old.includes('RC4-SHA'), 'what OpenSSL cannot do is not asked of it');
  for (const name of ['foo', 'ECDHE-RSA-AES128-GCM-SHA256', 'TLS_', 'TLS_constructor']) {
    const message = `unexpected TLS cipher suite "${name}"`;
    t.throws(() => checkCipherSuites([rsa, name]), { name: 'TlsError', message });
  }
  const lacking = { message: /^http2: TLSConfig\.CipherSuites is missing an HTTP\/2-required/ };
  t.throws(() => suites(['TLS_AES_128_GCM_SHA256']), lacking);
  t.throws(() => suites(['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384']), lacking);
  t.doesNotThrow(() => suites(['TLS_AES_128_GCM_SHA256'], 'TLS1.3'));
  const versions = { minVersion: 'TLS1.2', maxVersion: 'TLS1.3' } as TlsFiles;
  t.same(versionsOf(versions), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' });
  t.end();
});

t.test('keys and certificates', async (t) => {
  const one = await ca.issue('one');
  const two = await ca.issue('two');
  const path = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const empty = path('empty', '');
  const broken = path('broken', readFileSync(one.certFile, 'utf8').replace(/^MII/m, 'AAA'));
  const rows: [string, string, RegExp][] = [
    ['/no/x', one.keyFile, /^open \/no\/x: no such file or directory$/],
    [folder, one.keyFile, /^read .*: is a directory$/],
    [one.keyFile, one.certFile, /PEM inputs may have been switched$/],
    [one.certFile, one.certFile, /found a certificate rather than a key/],
    [empty, one.keyFile, /^tls: failed to find any PEM data in certificate input$/],
    [one.certFile, empty, /^tls: failed to find any PEM data in key input$/],
    [one.certFile, two.keyFile, /^tls: private key does not match public key$/],
    [broken, one.keyFile, /^tls: failed to parse certificate or key/],
  ];
  for (const [certFile, keyFile, message] of rows) {
    t.throws(() => readKeyPair(certFile, keyFile), { name: 'TlsError', message });
  }
  const served = { cert: join(folder, 's.pem'), key: join(folder, 's-key.pem') };
  copyFileSync(one.certFile, served.cert);
  copyFileSync(one.keyFile, served.key);
  const pair = new KeyPairFiles(served.cert, served.key);
  const first = pair.read();
  t.equal(pair.read(), first, 'the same object while nothing changes');
  copyFileSync(two.certFile, served.cert);
  t.throws(() => pair.read(), { message: /does not match/ });
  t.throws(() => pair.read(), { message: /does not match/ }, 'a failure is not remembered as good');
  copyFileSync(two.keyFile, served.key);
  t.same(pair.read().cert, readFileSync(two.certFile));
});

t.test('revocation lists', async (t) => {
  const file = await ca.revoke(['07', '00ff00', '0123456789abcdef0123456789abcdef'], 'list');
  const bytes = readFileSync(file);
  t.strictSame([...revokedSerials(bytes)].sort(), [
    '0123456789abcdef0123456789abcdef',
    '07',
    'ff00',
  ]);
  const list = new RevocationList(file);
  t.doesNotThrow(() => list.check(['08', '70']));
  t.throws(() => list.check(['08', '0007']), {
    name: 'TlsError',
    message: 'transport: certificate serial 07 revoked',
  });
  await ca.revoke([], 'list');
  t.doesNotThrow(() => list.check(['07']), 'the file is looked at each time');
  t.equal(revokedSerials(readFileSync(file)).size, 0, 'an empty list has no entries at all');
  const malformed = { message: 'x509: malformed crl' };
  t.throws(() => revokedSerials(readFileSync(`${file}.pem`)), malformed);
  t.throws(() => new RevocationList('/no/x').check([]), { message: /^open \/no\/x/ });
  let refused = 0;
  for (let end = 0; end < bytes.length; end += 1) {
    t.throws(() => revokedSerials(bytes.subarray(0, end)), malformed);
  }
  for (let round = 0; round < 5000; round += 1) {
    const damaged = Buffer.from(bytes);
    for (const at of randomBytes(3)) damaged[(at * 131) % damaged.length] = randomBytes(1)[0] ?? 0;
    try {
      revokedSerials(damaged);
    } catch (error) {
      refused += 1;
      t.match(error, malformed);
    }
  }
  t.ok(refused > 0, `${refused} damaged lists were refused`);
});

t.test('names in certificates', async (t) => {
  t.same(alternativeNames(undefined), { dnsNames: [], addresses: [] });
  const text = 'DNS:a.example, IP Address:10.0.0.1, DNS:"x, DNS:y", IP Address:0:0:0:0:0:0:0:1';
  t.same(alternativeNames(text), {
    dnsNames: ['a.example', 'x, DNS:y'],
    addresses: ['10.0.0.1', '0:0:0:0:0:0:0:1'],
  });
  t.equal(lastName('a'), 'a');
  t.equal(lastName(['a', 'b']), 'b');
  t.equal(lastName(''), null);
  t.equal(lastName(undefined), null);
  const certificate = async (hosts: readonly string[]) => {
    const { certFile } = await ca.issue('named', { hosts });
    const parsed = new X509Certificate(readFileSync(certFile));
    return [alternativeNames(parsed.subjectAltName), parsed.raw] as const;
  };
  const none = await certificate([]);
  await checkAddress('10.0.0.1', ...none);
  const addresses = await certificate(['10.0.0.1', '::1']);
  await checkAddress('10.0.0.1', ...addresses);
  await checkAddress('::ffff:10.0.0.1', ...addresses);
  await checkAddress('::1', ...addresses);
  await t.rejects(checkAddress('10.0.0.2', ...addresses), {
    message: /^x509: certificate is valid for 10\.0\.0\.1, .*1, not 10\.0\.0\.2$/,
  });
  const names = await certificate(['localhost', '10.0.0.1']);
  await checkAddress('127.0.0.1', ...names);
  await t.rejects(checkAddress('10.9.9.9', ...(await certificate(['localhost']))), {
    message: /^tls: "10\.9\.9\.9" does not match any of DNSNames \["localhost"\]/,
  });
});

t.test('what went wrong, in words', (t) => {
  const text = (message: string, code?: string) =>
    failureText(Object.assign(new Error(message), { code }));
  t.equal(text('x:SSL alert number 42\n'), 'remote error: tls: bad certificate');
  t.equal(text('x:SSL alert number 200\n'), 'remote error: tls: alert(200)');
  t.equal(
    text('error:...:metastore refusal -1\nerror'),
    'client certificate authentication failed',
  );
  t.match(text('metastore refusal 20'), /signed by unknown authority$/);
  t.match(text('metastore refusal 10'), /expired or is not yet valid$/);
  t.equal(text('plain\nsecond line'), 'plain');
  t.equal(
    text('x', 'ERR_SSL_NO_SHARED_CIPHER'),
    'tls: no cipher suite supported by both client and server',
  );
  t.match(verifyText('CERT_HAS_EXPIRED'), /expired/);
  t.match(verifyText('SELF_SIGNED_CERT_IN_CHAIN'), /unknown authority/);
  t.end();
});
