// The suite `fuzz`: libFuzzer against the session of the data plane, from the inputs that are kept
// in native/test/fuzz/session_corpus.txt (one a line, in hexadecimal). Takes clang; skipped by name
// without. By itself it can run for longer, and keep what it has found:
//
//   node scripts/lib/fuzz.mjs --seconds=3600 [--keep]

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { collect, ensureDirectory, hasProgram, inRoot, main, run, say } from './tasks.mjs';

const corpusFile = inRoot('native', 'test', 'fuzz', 'session_corpus.txt');

/** Inputs are not longer than this; longer ones find no more and take their time. */
const INPUT_BYTES_MAX = 2048;
/** A run that needs more is a finding: a session may not be made to take memory. */
const MEMORY_MIB_MAX = 1500;

function build() {
  const folder = ensureDirectory('build', 'fuzz');
  const isNew = !existsSync(join(folder, 'CMakeCache.txt'));
  run('cmake', [
    '-S',
    inRoot('native'),
    '-B',
    folder,
    ...(isNew && hasProgram('ninja') ? ['-G', 'Ninja'] : []),
    '-DCMAKE_CXX_COMPILER=clang++',
    '-DMETASTORE_ADDON=OFF',
    '-DMETASTORE_ROCKSDB=OFF',
    '-DMETASTORE_FUZZ=ON',
    '--log-level=WARNING',
  ]);
  run('cmake', ['--build', folder, '--target', 'session_fuzz', '--parallel', '2']);
  return join(folder, 'session_fuzz');
}

function unpack() {
  const folder = ensureDirectory('build', 'fuzz', 'corpus');
  const lines = readFileSync(corpusFile, 'utf8').split('\n');
  lines.forEach((line, i) => {
    if (line !== '') writeFileSync(join(folder, `kept-${i}`), Buffer.from(line, 'hex'));
  });
  return folder;
}

/** Writes the fewest inputs that reach as much as all of them. */
async function keep(program, corpus) {
  const folder = inRoot('build', 'fuzz', 'minimal');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const args = ['-merge=1', `-max_len=${INPUT_BYTES_MAX}`, folder, corpus];
  await collect(program, args, { timeoutMs: 3_600_000, env: {} });
  const lines = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name)).toString('hex'))
    .filter((line) => line !== '')
    .sort();
  writeFileSync(corpusFile, `${lines.join('\n')}\n`);
  say(`   kept ${lines.length} inputs`);
}

/**
 * One run of `runSeconds`, counted as one test.
 * @param {{runSeconds: number, keepInputs?: boolean}} options
 */
export async function fuzz({ runSeconds, keepInputs = false }) {
  if (!hasProgram('clang++')) {
    return { passed: 0, failed: 0, skippedNames: ['fuzz: no clang here'], failedNames: [] };
  }
  const program = build();
  const corpus = unpack();
  const args = [
    corpus,
    `-max_total_time=${runSeconds}`,
    `-max_len=${INPUT_BYTES_MAX}`,
    `-rss_limit_mb=${MEMORY_MIB_MAX}`,
    '-timeout=30',
    '-print_final_stats=1',
    `-artifact_prefix=${ensureDirectory('build', 'fuzz')}/finding-`,
  ];
  const result = await collect(program, args, {
    timeoutMs: (runSeconds + 600) * 1000,
    env: { ASAN_OPTIONS: 'detect_leaks=1', PATH: process.env.PATH ?? '' },
  });
  const runs = /stat::number_of_executed_units:\s*(\d+)/.exec(result.stderr)?.[1] ?? 'no';
  say(`   # ${runs} runs of the session`);
  if (result.status !== 0) {
    say(result.stderr.slice(-8000));
    const failedNames = ['fuzz: the session, see build/fuzz/finding-*'];
    return { passed: 0, failed: 1, skippedNames: [], failedNames };
  }
  if (keepInputs) await keep(program, corpus);
  return { passed: 1, failed: 0, skippedNames: [], failedNames: [] };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    const given = process.argv.find((argument) => argument.startsWith('--seconds='));
    const runSeconds = Number(given?.slice('--seconds='.length) ?? 60);
    const { failed } = await fuzz({ runSeconds, keepInputs: process.argv.includes('--keep') });
    if (failed > 0) process.exitCode = 1;
  });
}
