// Servers started from the configuration files of this repository, each with a directory and ports
// of its own, which are all that is changed in them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { packageRoot } from '../../../src/base/package.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import { runLauncher } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';

for (const name of ['config.yaml', 'example.yaml']) {
  t.test(name, async (t) => {
    const dir = tempDir('configs');
    const [client = 0, peer = 0] = await freePorts(2);
    const given = readFileSync(join(packageRoot, 'configs', name), 'utf8');
    const own: Readonly<Record<string, string>> = {
      'data-dir': join(dir, 'data'),
      'listen-client-urls': `http://127.0.0.1:${client}`,
      'advertise-client-urls': `http://127.0.0.1:${client}`,
      'listen-peer-urls': `http://127.0.0.1:${peer}`,
    };
    const rest = given
      .split('\n')
      .filter((line) => !Object.keys(own).some((key) => line.startsWith(`${key}:`)));
    const lines = Object.entries(own).map(([key, value]) => `${key}: ${value}`);
    const path = join(dir, name);
    writeFileSync(path, [...rest, ...lines, ''].join('\n'));
    const started = runLauncher([`--config-file=${path}`], {}, dir);
    t.teardown(() => started.alive && started.signal('SIGKILL'));
    const ready = started.waitForOutput('ready to serve client requests');
    await within('readiness', ready, 20_000);
    const etcd = new EtcdClient(`127.0.0.1:${client}`);
    await etcd.put('a', '1');
    t.equal((await etcd.get('a'))?.value.toString(), '1');
    etcd.close();
    const line = started.logLines().find(({ msg }) => msg === 'starting an etcd server');
    t.match(line, { 'storage-engine': 'rocksdb', 'v2-deprecation': 'write-only' });
    t.match(line, { 'snapshot-count': 10_000, 'heartbeat-interval': '100ms' });
    if (name === 'config.yaml') {
      t.match(line, { 'raft-max-message-bytes': 4194304, 'grpc-idle-timeout': '5m0s' });
      t.match(line, { 'max-concurrent-streams': 2048, 'election-timeout': '1s' });
    }
    started.signal('SIGTERM');
    await within('the end', started.exited, 15_000);
    t.same(
      started.logLines().filter(({ level }) => level === 'error'),
      [],
    );
  });
}
