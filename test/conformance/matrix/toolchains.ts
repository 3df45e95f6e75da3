// Builds the programs of ../clients with the toolchains that this machine has, each once for its
// very source, into .cache/clients. Who has no toolchain, or cannot fetch what it needs, gives the
// reason instead: the tests are then skipped by name. Used by matrix.test.ts.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from '../../../src/base/package.js';

const sources = join(packageRoot, 'test', 'conformance', 'clients');
const cache = process.env.METASTORE_TEST_CACHE ?? join(packageRoot, '.cache', 'clients');
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** How a client's program is started, without its arguments. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export type Built = Program | { readonly missing: string };

/** What a build went wrong with. */
class BuildError extends Error {}

function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): string {
  const result = spawnSync(command, args, {
    cwd: options.cwd ?? sources,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    timeout: BUILD_TIMEOUT_MS,
    maxBuffer: 64 << 20,
  });
  if (result.status !== 0) {
    const why = result.error?.message ?? `${result.stderr}${result.stdout}`.trim().slice(-800);
    throw new BuildError(`${command} ${args[0] ?? ''}: ${why}`);
  }
  return result.stdout;
}

function found(...candidates: readonly string[]): string | null {
  return candidates.find((name) => spawnSync(name, ['--version']).error === undefined) ?? null;
}

function hashOf(folder: string): string {
  const hash = createHash('sha256');
  const visit = (path: string) => {
    for (const name of readdirSync(path).sort()) {
      const full = join(path, name);
      if (statSync(full).isDirectory()) visit(full);
      else hash.update(name).update(readFileSync(full));
    }
  };
  visit(folder);
  return hash.digest('hex').slice(0, 16);
}

function folderOf(client: string): string {
  return join(cache, `${client}-${hashOf(join(sources, client))}`);
}

function isMade(client: string): boolean {
  return existsSync(join(folderOf(client), 'complete'));
}

/**
 * The folder that holds what `make` makes of a client's source; made once for the same source.
 *
 * @throws BuildError
 */
function once(client: string, make: (folder: string) => void): string {
  const folder = folderOf(client);
  if (!isMade(client)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    make(folder);
    writeFileSync(join(folder, 'complete'), '');
  }
  return folder;
}

/** @param verb how Go is to build it, such as `build` or `test -c` */
function goProgram(client: string, verb: readonly string[]): Built {
  const go = found('go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go');
  if (go === null) return { missing: 'no Go here' };
  const folder = once(client, (made) => {
    const args = [...verb, '-mod=readonly', '-trimpath', '-o', join(made, client), '.'];
    run(go, args, { cwd: join(sources, client), env: { CGO_ENABLED: '0', GOFLAGS: '' } });
  });
  return { command: join(folder, client), args: [] };
}

/** The storage tests of the Kubernetes API server, which take minutes to build. */
export function buildKubernetes(mayTakeMinutes: boolean): Built {
  if (!mayTakeMinutes && !isMade('kubernetes')) {
    return { missing: 'built by npm run test:full alone: it takes minutes' };
  }
  return orMissing(() => goProgram('kubernetes', ['test', '-c']));
}

/** A virtual environment with what a list of requirements names. */
function venv(folder: string, requirements: readonly string[]): string {
  run('python3', ['-m', 'venv', folder]);
  const python = join(folder, 'bin', 'python');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  // The client's own build script needs what newer releases of setuptools have no more.
  run(python, [...pip, 'setuptools<70', 'wheel']);
  run(python, [...pip, '--no-build-isolation', ...requirements]);
  return python;
}

function pythonProgram(): Built {
  if (found('python3') === null) return { missing: 'no Python here' };
  const folder = once('python', (made) => {
    venv(join(made, 'venv'), ['-r', join(sources, 'python', 'requirements.txt')]);
  });
  const script = join(sources, 'python', 'smoke.py');
  return { command: join(folder, 'venv', 'bin', 'python'), args: [script] };
}

/** A protobuf compiler, which the Rust client's build asks for; Python's tools have one too. */
function protoc(folder: string): string {
  const present = found('protoc');
  if (present !== null) return present;
  if (found('python3') === null) throw new BuildError('no protoc here');
  const python = venv(join(folder, 'tools'), ['grpcio-tools']);
  const script = join(folder, 'protoc');
  writeFileSync(script, `#!/bin/sh\nexec '${python}' -m grpc_tools.protoc "$@"\n`);
  chmodSync(script, 0o755);
  return script;
}

function rustProgram(): Built {
  const cargo = found('cargo');
  if (cargo === null) return { missing: 'no Rust here' };
  const folder = once('rust', (made) => {
    const env = { PROTOC: protoc(made), CARGO_TARGET_DIR: join(made, 'target') };
    const args = ['build', '--quiet', '--locked', '--release'];
    run(cargo, args, { cwd: join(sources, 'rust'), env });
  });
  const name = 'metastore-conformance-rust';
  return { command: join(folder, 'target', 'release', name), args: [] };
}

function javaProgram(): Built {
  if (found('javac') === null || found('mvn') === null) return { missing: 'no JDK and Maven here' };
  const source = join(sources, 'java');
  const folder = once('java', (made) => {
    const path = join(made, 'classpath');
    const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${path}`];
    run('mvn', ['-q', '-B', ...goal], { cwd: source });
    const main = join(source, 'src', 'main', 'java', 'Smoke.java');
    run('javac', ['-cp', readFileSync(path, 'utf8'), '-d', made, main]);
  });
  const classpath = `${folder}:${readFileSync(join(folder, 'classpath'), 'utf8')}`;
  return {
    command: 'java',
    args: ['-Djava.util.logging.config.file=none', '-cp', classpath, 'Smoke'],
  };
}

const builders = {
  'Go, generated': () => goProgram('rpcs', ['build']),
  'npm etcd3': (): Built => ({
    command: process.execPath,
    args: [join(sources, 'node', 'smoke.mjs')],
  }),
  'Python etcd3': pythonProgram,
  'Java jetcd': javaProgram,
  'Rust etcd-client': rustProgram,
} as const;

export type ClientName = keyof typeof builders;

export const clientNames = Object.keys(builders) as readonly ClientName[];

/** Clients whose first build takes a minute and more, by their folders. */
const slowBuilds: Partial<Record<ClientName, string>> = {
  'Java jetcd': 'java',
  'Rust etcd-client': 'rust',
};

/** Builds a client's program, or says why it cannot be had. */
export function buildClient(name: ClientName, mayTakeMinutes: boolean): Built {
  const slow = slowBuilds[name];
  if (!mayTakeMinutes && slow !== undefined && !isMade(slow)) {
    return { missing: 'built by npm run test:full alone: it takes minutes' };
  }
  return orMissing(builders[name]);
}

function orMissing(build: () => Built): Built {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return { missing: `it could not be built: ${error.message}` };
  }
}
