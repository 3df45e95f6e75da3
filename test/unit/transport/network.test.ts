// The part of the border that transports use: same names as declared, misuse refused, ports that
// are shared, and the guard installed on a context of Node's.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import t from 'tap';
import ts from 'typescript';

import { packageRoot } from '../../../src/base/package.js';
import { loadAddon } from '../../../src/storage/loader.js';
import { freePorts } from '../../support/ports.js';

const { network } = loadAddon();

// A pointer keeps nothing alive, so contexts have to outlive the tests that use them.
const contexts: SecureContext[] = [];

function externalOf(): unknown {
  const made = createSecureContext();
  contexts.push(made);
  return (made.context as unknown as { _external: unknown })._external;
}

t.test('functions are those declared', (t) => {
  const path = join(packageRoot, 'src', 'storage', 'native-network.ts');
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022);
  const names: string[] = [];
  source.forEachChild((node) => {
    if (!ts.isInterfaceDeclaration(node)) return;
    for (const { name } of node.members) {
      if (name !== undefined && ts.isIdentifier(name)) names.push(name.text);
    }
  });
  t.strictSame(Object.keys(network).sort(), names.sort());
  t.end();
});

t.test('misuse is a TypeError', (t) => {
  const call = (name: keyof typeof network, ...values: unknown[]): unknown =>
    Reflect.apply(network[name], network, values);
  const external = externalOf();
  const wrong: [keyof typeof network, ...unknown[]][] = [
    ['guardTls'],
    ['guardTls', {}, [], [], '', false],
    ['guardTls', 1, [], [], '', false],
    ['guardTls', external],
    ['guardTls', external, 'x', [], '', false],
    ['guardTls', external, [], [1], '', false],
    ['guardTls', external, [], [], null, false],
    ['guardTls', external, [], [], '', 1],
    ['bindReusable'],
    ['bindReusable', 1, 1],
    ['bindReusable', '127.0.0.1', -1],
    ['bindReusable', '127.0.0.1', 65536],
    ['bindReusable', '127.0.0.1', '1'],
  ];
  for (const [name, ...values] of wrong) {
    t.throws(() => call(name, ...values), TypeError, `${name} ${values.length}`);
  }
  t.end();
});

t.test('the guard can be set, again and again', (t) => {
  const external = externalOf();
  t.equal(network.guardTls(external, [], [], '', false), true, 'this Node allows it');
  for (let i = 0; i < 1000; i += 1) {
    t.ok(network.guardTls(externalOf(), ['a'.repeat(i)], ['b'], 'host', i % 2 === 0));
  }
  network.guardTls(external, ['other'], [], '', false);
  t.end();
});

t.test('sockets that share a port', async (t) => {
  const [port = 0] = await freePorts(1);
  const listening = (fd: number) =>
    new Promise<() => void>((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen({ fd }, () => resolve(() => server.close()));
    });
  const first = await listening(network.bindReusable('127.0.0.1', port));
  const second = await listening(network.bindReusable('127.0.0.1', port));
  t.ok(network.bindReusable('no address', port) < 0);
  t.ok(network.bindReusable('203.0.113.1', port) < 0, 'an address of somebody else');
  first();
  second();
  const everywhere = await listening(network.bindReusable('', port));
  everywhere();
});

t.test('the limit of open files', (t) => {
  const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
  const mine = network.openFilesLimit();
  t.ok(limit === 'unlimited' ? mine > 1e9 : mine >= Number(limit), `${mine}, a shell has ${limit}`);
  t.end();
});
