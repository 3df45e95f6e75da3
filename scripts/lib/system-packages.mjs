// Installs the system packages that the addon, its tests and the load generator need, or says how
// to. Called by the bootstrap before anything is compiled. Installs only where it may: as root with
// apt (Debian, Ubuntu), or with Homebrew on macOS. Elsewhere it prints the command and stops.

import { existsSync, readFileSync } from 'node:fs';
import { capture, commandLine, hasProgram, run, say } from './tasks.mjs';

/**
 * Names by package manager. `compiler` is installed only when no C++ compiler is found. OpenSSL is
 * for the load generator alone, which speaks TLS with it; the servers have Node's. Without what is
 * `faster` everything works, slower.
 */
const families = {
  apt: {
    packages: [
      'cmake',
      'ninja-build',
      'librocksdb-dev',
      'libnghttp2-dev',
      'libprotozero-dev',
      'libuv1-dev',
      'zlib1g-dev',
      'libgtest-dev',
      'libssl-dev',
    ],
    compiler: ['g++'],
    faster: ['libjemalloc2'],
    install: (names) => ['apt-get', ['install', '-y', '--no-install-recommends', ...names]],
  },
  brew: {
    packages: [
      'cmake',
      'ninja',
      'rocksdb',
      'libnghttp2',
      'protozero',
      'libuv',
      'googletest',
      'openssl@3',
    ],
    compiler: [],
    faster: [],
    install: (names) => ['brew', ['install', ...names]],
  },
  dnf: {
    packages: [
      'cmake',
      'ninja-build',
      'rocksdb-devel',
      'libnghttp2-devel',
      'protozero-devel',
      'libuv-devel',
      'zlib-devel',
      'gtest-devel',
      'openssl-devel',
    ],
    compiler: ['gcc-c++'],
    faster: ['jemalloc'],
    install: (names) => ['dnf', ['install', '-y', ...names]],
  },
  pacman: {
    packages: [
      'cmake',
      'ninja',
      'rocksdb',
      'libnghttp2',
      'protozero',
      'libuv',
      'zlib',
      'gtest',
      'openssl',
    ],
    compiler: ['gcc'],
    faster: ['jemalloc'],
    install: (names) => ['pacman', ['-S', '--needed', ...names]],
  },
};

/** Which package manager this system has: a key of `families`, or null. */
function detectFamily() {
  if (process.platform === 'darwin') return 'brew';
  if (existsSync('/etc/debian_version') && hasProgram('apt-get')) return 'apt';
  if (hasProgram('dnf')) return 'dnf';
  if (hasProgram('pacman')) return 'pacman';
  return null;
}

function isInstalled(family, name) {
  if (family === 'apt') {
    const answer = capture('dpkg-query', ['-s', name]);
    return answer.status === 0 && answer.stdout.includes('Status: install ok installed');
  }
  if (family === 'brew') return capture('brew', ['list', '--versions', name]).status === 0;
  if (family === 'dnf') return capture('rpm', ['-q', name]).status === 0;
  return capture('pacman', ['-Q', name]).status === 0;
}

function hasCompiler() {
  const named = process.env.CXX;
  return (named ? hasProgram(named) : false) || ['c++', 'g++', 'clang++'].some(hasProgram);
}

function missingPackages(family) {
  const { packages, compiler } = families[family];
  const wanted = hasCompiler() ? packages : [...packages, ...compiler];
  return wanted.filter((name) => !isInstalled(family, name));
}

/** Where it is easily done; nothing depends on it. */
function installFaster(family, env) {
  const missing = families[family].faster.filter((name) => !isInstalled(family, name));
  if (missing.length === 0) return;
  say(`for speed: ${missing.join(' ')}`);
  const [program, args] = families[family].install(missing);
  const { status } = capture(program, args, { env, timeout: 120_000 });
  if (status !== 0) say(`   not installed; \`${commandLine(program, args)}\` would do it`);
}

function unknownSystem() {
  let name = process.platform;
  try {
    name = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? name;
  } catch {
    // No such file: the platform's name has to do.
  }
  return new Error(
    `no known package manager on this system (${name}). Install a C++20 compiler, CMake >= 3.18, ` +
      'ninja or make, and the headers and libraries of RocksDB (>= 7.8), nghttp2, protozero, ' +
      'libuv, zlib, OpenSSL and GoogleTest, then run this again with ' +
      'METASTORE_SKIP_SYSTEM_PACKAGES=1',
  );
}

/**
 * Makes sure that the system packages are there.
 * @throws Error with the exact command when something is missing and may not be installed here
 */
export function ensureSystemPackages() {
  if (process.env.METASTORE_SKIP_SYSTEM_PACKAGES === '1') return;
  const family = detectFamily();
  if (family === null) throw unknownSystem();
  if (family === 'brew' && !hasProgram('brew')) {
    throw new Error('Homebrew is missing; install it from its home page, then run this again');
  }
  const missing = missingPackages(family);
  const isRoot = process.getuid?.() === 0;
  const mayInstall = family === 'brew' || (family === 'apt' && isRoot);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (missing.length > 0 && !mayInstall) {
    const [program, args] = families[family].install([...missing, ...families[family].faster]);
    throw new Error(
      `system packages are missing and this user may not install them. Run:\n\n` +
        `  ${isRoot ? '' : 'sudo '}${commandLine(program, args)}\n`,
    );
  }
  if (missing.length > 0) {
    const [program, args] = families[family].install(missing);
    say(`system packages missing: ${missing.join(' ')}`);
    if (family === 'apt') run('apt-get', ['update'], { env });
    run(program, args, { env });
  }
  if (mayInstall) installFaster(family, env);
}
