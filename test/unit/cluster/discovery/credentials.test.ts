// Tests of src/cluster/discovery/credentials.ts: which endpoints of a registry are talked to by
// TLS, and what is wrong with files.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { RegistryCredentials } from '../../../../src/cluster/discovery/credentials.js';
import { tempDir } from '../../../support/temp-dir.js';

const none = {
  insecureTransport: true,
  insecureSkipVerify: false,
  certFile: '',
  keyFile: '',
  caFile: '',
};

const isSecure = (credentials: RegistryCredentials, endpoint: string) =>
  credentials.of(endpoint)._isSecure();

t.test('the scheme decides, and without one whether TLS was asked for', async (t) => {
  const clear = new RegistryCredentials(none);
  const wanted = new RegistryCredentials({ ...none, insecureTransport: false });
  for (const [endpoint, inClear, inWanted] of [
    ['127.0.0.1:1', false, true],
    ['http://127.0.0.1:1', false, false],
    ['https://127.0.0.1:1', true, true],
    ['unix://x', false, false],
    ['unixs://x', true, true],
  ] as const) {
    t.equal(isSecure(clear, endpoint), inClear, endpoint);
    t.equal(isSecure(wanted, endpoint), inWanted, endpoint);
  }
});

t.test('files that are missing or come alone are refused at once', async (t) => {
  const dir = tempDir('registry');
  const missing = join(dir, 'none');
  t.throws(() => new RegistryCredentials({ ...none, caFile: missing }), {
    message: `open ${missing}: no such file or directory`,
  });
  t.throws(() => new RegistryCredentials({ ...none, certFile: 'a' }), {
    message: 'KeyFile and CertFile must both be present[key: , cert: a]',
  });
  const nonsense = join(dir, 'nonsense');
  writeFileSync(nonsense, 'no certificate');
  const both = { ...none, certFile: nonsense, keyFile: nonsense };
  t.throws(() => new RegistryCredentials(both), Error);
});
