// The TCP gateway: connections go to the members in turn, to those that are there, and come back
// to one that returns; wrong command lines are refused.

import t from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import { MemberProcess, runLauncher } from '../../support/process.js';
import { waitFor, within } from '../../support/wait.js';

t.setTimeout(120_000);

t.test('clients reach whichever member is there', async (t) => {
  const members = await Promise.all([1, 2].map(() => MemberProcess.start({ engine: 'memory' })));
  t.teardown(() => Promise.all(members.map((member) => member.process.alive && member.kill())));
  const [first, second] = members as [MemberProcess, MemberProcess];
  for (const [at, { endpoint }] of members.entries()) {
    const direct = new EtcdClient(endpoint);
    await direct.put('who', `${at}`);
    direct.close();
  }
  const [port = 0] = await freePorts(1);
  const gateway = runLauncher([
    'gateway',
    'start',
    `--endpoints=${first.endpoint},http://${second.endpoint}`,
    `--listen-addr=127.0.0.1:${port}`,
    '--retry-delay=200ms',
  ]);
  t.teardown(() => gateway.alive && gateway.signal('SIGKILL'));
  await within('readiness', gateway.waitForOutput('ready to proxy client requests'), 20_000);
  const ask = async () => {
    const client = new EtcdClient(`127.0.0.1:${port}`);
    try {
      return (await client.get('who'))?.value.toString() ?? '';
    } finally {
      client.close();
    }
  };
  const turns = [await ask(), await ask(), await ask(), await ask()];
  t.same([...turns].sort(), ['0', '0', '1', '1'], 'in turn');
  const large = new EtcdClient(`127.0.0.1:${port}`);
  await large.put('large', 'x'.repeat(1_000_000));
  t.equal((await large.get('large'))?.value.length, 1_000_000);
  large.close();
  await first.kill();
  t.same([await ask(), await ask(), await ask()], ['1', '1', '1'], 'one is away');
  t.match(gateway.stderr, 'deactivated endpoint');
  await first.restart();
  await within('the return', gateway.waitForOutput('"msg":"activated"'), 10_000);
  await waitFor('both again', async () => new Set([await ask(), await ask()]).size === 2);
  gateway.signal('SIGTERM');
  t.same(await within('the end', gateway.exited, 10_000), { code: null, signal: 'SIGTERM' });
});

t.test('command lines of the gateway', async (t) => {
  for (const [args, code, text] of [
    [[], 0, /gateway start/],
    [['start', '--help'], 0, /--retry-delay/],
    [['start', '--nope'], 1, /flag provided but not defined: -nope/],
    [['start', '--listen-addr=x'], 1, /failed to validate listen address: x/],
    [['start', '--endpoints=x'], 1, /failed to parse endpoint: x/],
  ] as const) {
    const started = runLauncher(['gateway', ...args]);
    t.equal((await within('ending', started.exited)).code, code, args.join(' '));
    t.match(started.stdout + started.stderr, text);
  }
});
