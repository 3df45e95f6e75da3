// Finds or builds a real etcd and its tools to compare with; they are test dependencies only.
// With Go present the pinned release is built from its module (test/reference/go.mod) once, into
// .cache/reference. Otherwise the programs on PATH serve, whatever release they are. With
// neither, the comparing suites are skipped by name. h2spec, which holds servers to HTTP/2, is
// built in the same way. By itself it prints lines to export.

import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { hashInputs, isFresh, writeStamp } from './lib/stamps.mjs';
import { capture, ensureDirectory, hasProgram, inRoot, main, say, step } from './lib/tasks.mjs';

const programs = {
  etcd: { variable: 'METASTORE_ETCD', module: 'go.etcd.io/etcd/server/v3' },
  etcdctl: { variable: 'METASTORE_ETCDCTL', module: 'go.etcd.io/etcd/etcdctl/v3' },
  etcdutl: { variable: 'METASTORE_ETCDUTL', module: 'go.etcd.io/etcd/etcdutl/v3' },
  bbolt: { variable: 'METASTORE_BBOLT', module: 'go.etcd.io/bbolt/cmd/bbolt' },
  h2spec: {
    variable: 'METASTORE_H2SPEC',
    module: 'github.com/summerwind/h2spec/cmd/h2spec',
    folder: 'test/conformance/wire/h2spec',
  },
};

const versionArguments = { etcd: '--version', h2spec: '--version' };

/** Where the go.mod is that pins a program's release. */
function folderOf(name) {
  return programs[name].folder ?? 'test/reference';
}

function findGo() {
  for (const candidate of ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go']) {
    if (candidate.includes('/') ? existsSync(candidate) : hasProgram(candidate)) return candidate;
  }
  return null;
}

/** Builds one program; false when it could not be built (no network, an old Go, ...). */
function buildProgram(go, name) {
  const output = `${ensureDirectory('.cache', 'reference')}/${name}`;
  const args = ['build', '-mod=readonly', '-trimpath', '-o', output, programs[name].module];
  const result = capture(go, args, {
    cwd: inRoot(folderOf(name)),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' },
    timeout: 15 * 60_000,
  });
  if (result.status !== 0) say(`   ${name} was not built: ${result.stderr.trim().slice(-400)}`);
  return result.status === 0;
}

async function built(go, name) {
  const hash = hashInputs([folderOf(name)], [name]);
  const path = `.cache/reference/${name}`;
  if (isFresh(`reference-${name}`, hash, [path])) return inRoot(path);
  const ok = await step(`building ${name} of the reference`, () => buildProgram(go, name));
  if (!ok) return null;
  writeStamp(`reference-${name}`, hash);
  return inRoot(path);
}

function onPath(name) {
  const found = capture('sh', ['-c', `command -v ${name}`]);
  return found.status === 0 ? found.stdout.trim() : null;
}

/**
 * Environment variables naming the programs that were found. A variable that is set already wins.
 * @returns {Promise<Record<string, string>>}
 */
export async function referenceEnvironment() {
  const environment = {};
  const go = findGo();
  for (const [name, { variable }] of Object.entries(programs)) {
    const given = process.env[variable];
    const path = given || (go && (await built(go, name))) || onPath(name);
    if (!path) {
      say(`   no ${name} here (neither Go to build it nor one on PATH)`);
      continue;
    }
    environment[variable] = path;
    const version = capture(path, [versionArguments[name] ?? 'version']);
    say(`   ${name}: ${version.stdout.split('\n')[0]} at ${path}`);
  }
  return environment;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    for (const [name, value] of Object.entries(await referenceEnvironment())) {
      process.stdout.write(`export ${name}='${value}'\n`);
    }
  });
}
