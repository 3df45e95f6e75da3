// The suites of `npm test` and how each is run. A suite answers
// {passed, failed, skippedNames, failedNames}; test.mjs prints headings and sums them up.
// What counts as one: a lint or type check, a GoogleTest case, a leaf test of tap.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { coreLibraryPath, ensureTypeScript } from './compile.mjs';
import { filesBelow } from './stamps.mjs';
import { failureLines, TapCounter } from './tap-output.mjs';
import { collect, ensureDirectory, hasProgram, inRoot, run, say, seconds } from './tasks.mjs';

function outcome(name, failedText) {
  return failedText === null
    ? { passed: 1, failed: 0, skippedNames: [], failedNames: [] }
    : { passed: 0, failed: 1, skippedNames: [], failedNames: [`${name}: ${failedText}`] };
}

/** Adds up the results of several suites. */
export function sum(results) {
  return {
    passed: results.reduce((total, result) => total + result.passed, 0),
    failed: results.reduce((total, result) => total + result.failed, 0),
    skippedNames: results.flatMap((result) => result.skippedNames),
    failedNames: results.flatMap((result) => result.failedNames),
  };
}

/** Biome over everything it is configured for: rules and format. One check. */
export async function lint() {
  const program = inRoot('node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const args = [program, 'check', '--error-on-warnings', '--colors=off', '.'];
  const result = await collect(process.execPath, args, { timeoutMs: 120_000 });
  if (result.status !== 0) say(result.stdout + result.stderr);
  return outcome('lint', result.status === 0 ? null : 'see above');
}

/** The TypeScript build, which is the type check. One check. */
export async function types() {
  try {
    await ensureTypeScript();
    return outcome('types', null);
  } catch (error) {
    return outcome('types', error.message);
  }
}

/** Seconds after which a test file is killed; the full counts need longer. */
function fileTimeoutMs(full) {
  return full ? 4 * 3_600_000 : 15 * 60_000;
}

async function runTapFile(file, { full, env }) {
  const counter = new TapCounter();
  const started = Date.now();
  const label = relative(inRoot('dist', 'test'), file).replace(/\.js$/, '');
  const result = await collect(process.execPath, [file], {
    timeoutMs: fileTimeoutMs(full),
    env: { ...env, TAP_TIMEOUT: String(fileTimeoutMs(full) / 1000) },
    onLine: (line) => counter.line(line),
  });
  for (const line of counter.comments) say(`   # ${line}`);
  const died = result.timedOut || !counter.planSeen || (result.status !== 0 && !counter.failed);
  if (died) {
    counter.failed += 1;
    const how = result.timedOut ? 'ran out of time' : `ended with code ${result.status}`;
    counter.failedNames.push(`the file itself ${how}`);
  }
  if (counter.failed > 0) {
    for (const line of failureLines(result.stdout)) say(line);
    say(result.stderr.split('\n').slice(-60).join('\n'));
  }
  const skipped = counter.skippedNames.length;
  say(
    `   ${counter.failed > 0 ? 'FAILED' : 'ok'} ${label}: ${counter.passed} passed, ` +
      `${counter.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''} ` +
      `(${seconds(Date.now() - started)})`,
  );
  return {
    passed: counter.passed,
    failed: counter.failed,
    skippedNames: counter.skippedNames.map((name) => `${label}: ${name}`),
    failedNames: counter.failedNames.map((name) => `${label}: ${name}`),
  };
}

/** Compiled test files below a path of dist, e.g. `test/unit`. */
export function testFiles(path) {
  return filesBelow(inRoot('dist', path), (file) => file.endsWith('.test.js'));
}

/**
 * Runs compiled tap files, `jobs` at a time: those of `first` before the others, and those of
 * `alone`, in the end, one at a time. Both name files by the end of their path, without `.test.js`.
 * Files are run by plain node: tap then prints TAP, and a file costs a third of a second instead of
 * two.
 */
export async function tapFiles(files, { jobs, full, env, first = [], alone = [] }) {
  const results = [];
  const isOneOf = (names) => (file) => names.some((name) => file.endsWith(`${name}.test.js`));
  const run = async (chosen, jobs) => {
    const queue = [...chosen.filter(isOneOf(first)), ...chosen.filter((f) => !isOneOf(first)(f))];
    const worker = async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        results.push(await runTapFile(file, { full, env }));
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
  };
  await run(
    files.filter((file) => !isOneOf(alone)(file)),
    jobs,
  );
  await run(files.filter(isOneOf(alone)), 1);
  return sum(results);
}

/** Reads GoogleTest's JSON report. */
function readGoogleTestReport(path, label) {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  const result = { passed: 0, failed: 0, skippedNames: [], failedNames: [] };
  for (const group of report.testsuites) {
    for (const test of group.testsuite) {
      const name = `${label}: ${group.name}.${test.name}`;
      if (test.status === 'NOTRUN' || test.result === 'SKIPPED') result.skippedNames.push(name);
      else if (test.failures) {
        result.failed += 1;
        result.failedNames.push(name);
      } else result.passed += 1;
    }
  }
  return result;
}

/**
 * The builds of the C++ units. Build folders stay, so that a second run compiles little. The plain
 * one tests the library that the addon is made of.
 */
export const nativeVariants = {
  plain: {
    label: 'C++ units',
    options: ['-DMETASTORE_BENCH=ON', `-DMETASTORE_CORE=${inRoot(coreLibraryPath)}`],
  },
  asan: {
    label: 'C++ units, address and undefined behaviour sanitizers',
    options: ['-DMETASTORE_SANITIZE=address,undefined'],
  },
  tsan: {
    label: 'C++ units, thread sanitizer, without rocksdb',
    options: ['-DMETASTORE_SANITIZE=thread', '-DMETASTORE_ROCKSDB=OFF'],
  },
};

const sanitizerEnvironment = {
  ASAN_OPTIONS: 'detect_leaks=1:halt_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  TSAN_OPTIONS: 'halt_on_error=1',
};

/** How many times the load that the plane's units make by themselves, for full runs. */
const fullLoad = { METASTORE_PLANE_LOAD: '5' };

/** Processes that share the units between them: many wait for the disk. */
const NATIVE_SHARDS = 3;

/** Runs one share of the units: what it counted. */
async function runShard(folder, variant, shard, { full, env }) {
  const report = `${folder}/report-${shard}.json`;
  rmSync(report, { force: true });
  const program = `${folder}/metastore_units`;
  const args = [`--gtest_output=json:${report}`, '--gtest_brief=1'];
  const share = { GTEST_TOTAL_SHARDS: String(NATIVE_SHARDS), GTEST_SHARD_INDEX: String(shard) };
  const result = await collect(program, args, {
    timeoutMs: fileTimeoutMs(full),
    env: { ...env, ...sanitizerEnvironment, ...share, ...(full ? fullLoad : {}) },
  });
  if (result.status !== 0) {
    say(result.stdout.slice(-20_000));
    say(result.stderr.slice(-20_000));
  }
  const { label } = nativeVariants[variant];
  if (result.timedOut || !existsSync(report)) {
    return outcome(label, `${basename(program)} ended with code ${result.status}`);
  }
  const counted = readGoogleTestReport(report, variant === 'plain' ? 'native' : variant);
  if (result.status !== 0 && counted.failed === 0) {
    return sum([counted, outcome(label, `ended with code ${result.status}`)]);
  }
  return counted;
}

/** Configures, builds and runs the GoogleTest units of one variant. */
export async function nativeUnits(variant, context) {
  const { label, options } = nativeVariants[variant];
  const folder = ensureDirectory('build', `units-${variant}`);
  const firstTime = !existsSync(`${folder}/CMakeCache.txt`);
  try {
    run('cmake', [
      '-S',
      inRoot('native'),
      '-B',
      folder,
      ...(firstTime && hasProgram('ninja') ? ['-G', 'Ninja'] : []),
      '-DMETASTORE_TESTS=ON',
      '-DMETASTORE_ADDON=OFF',
      '--log-level=WARNING',
      ...options,
    ]);
    run('cmake', ['--build', folder, '--parallel', '2', '--', '--quiet']);
  } catch (error) {
    return outcome(label, error.message);
  }
  const shards = Array.from({ length: NATIVE_SHARDS }, (_, shard) => shard);
  return sum(await Promise.all(shards.map((shard) => runShard(folder, variant, shard, context))));
}
