// Members that find each other through a registry that speaks TLS: by the endpoint's scheme, with
// an authority, with a certificate of their own, or without looking; and what is refused.

import { join } from 'node:path';
import t from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import { kill, secureClient, startListening } from '../../support/etcd/tls-server.js';
import { freePorts } from '../../support/ports.js';
import { runLauncher } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';

t.setTimeout(120_000);

const folder = tempDir('discovery');
const ca = await Authority.make(folder);
const server = await ca.issue('server');
const client = await ca.issue('client');
const [port = 0] = await freePorts(1);
const registryUrl = `https://127.0.0.1:${port}`;

/** A member that is to find a cluster of one through the registry. */
async function member(token: string, ...flags: readonly string[]) {
  const [own = 0, peer = 0] = await freePorts(2);
  return runLauncher([
    '--name=m1',
    '--storage-engine=memory',
    `--data-dir=${join(tempDir('member'), 'data')}`,
    `--listen-client-urls=http://127.0.0.1:${own}`,
    `--advertise-client-urls=http://127.0.0.1:${own}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--discovery-token=${token}`,
    ...flags,
  ]);
}

t.test('a registry behind TLS that wants certificates', async (t) => {
  const registry = await startListening([
    `--listen-client-urls=${registryUrl}`,
    `--advertise-client-urls=${registryUrl}`,
    `--cert-file=${server.certFile}`,
    `--key-file=${server.keyFile}`,
    `--trusted-ca-file=${ca.caFile}`,
    '--client-cert-auth',
  ]);
  t.teardown(() => kill(registry));
  const keys = secureClient(`127.0.0.1:${port}`, ca.caFile, client);
  t.teardown(() => keys.close());
  const certificate = [`--discovery-cert=${client.certFile}`, `--discovery-key=${client.keyFile}`];
  const ways: [string, readonly string[]][] = [
    ['by the scheme', [`--discovery-endpoints=${registryUrl}`, `--discovery-cacert=${ca.caFile}`]],
    [
      'without a scheme, because there are files',
      [`--discovery-endpoints=127.0.0.1:${port}`, `--discovery-cacert=${ca.caFile}`],
    ],
    [
      'without looking at the certificate',
      [`--discovery-endpoints=${registryUrl}`, '--discovery-insecure-skip-tls-verify'],
    ],
  ];
  for (const [at, [way, flags]] of ways.entries()) {
    const token = `token-${at}`;
    await keys.put(`/_etcd/registry/${token}/_config/size`, '1');
    const started = await member(token, ...flags, ...certificate);
    t.teardown(() => started.alive && started.signal('SIGKILL'));
    const ready = started.waitForOutput('ready to serve client requests');
    await within(way, ready, 20_000);
    t.pass(way);
    started.signal('SIGTERM');
    await within('the end', started.exited, 15_000);
  }
  const stranger = await member('token-0', `--discovery-endpoints=${registryUrl}`, ...certificate);
  t.teardown(() => stranger.alive && stranger.signal('SIGKILL'));
  const refused = stranger.waitForOutput('retry connecting to discovery service');
  await within('a registry that nobody vouches for', refused, 20_000);
  stranger.signal('SIGKILL');
});

t.test('files that are not there end the start', async (t) => {
  const missing = join(folder, 'none.pem');
  const started = await member(
    'x',
    `--discovery-endpoints=${registryUrl}`,
    `--discovery-cacert=${missing}`,
  );
  t.equal((await within('the end', started.exited, 15_000)).code, 1);
  t.match(started.stderr, `open ${missing}: no such file or directory`);
});
