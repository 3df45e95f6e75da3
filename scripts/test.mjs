// `npm test` and `npm run test:full`: set-up, then every suite with a heading and its duration,
// then one line `N passed, N failed[, N skipped]`. Exit code 1 on any failure.
//
//   node scripts/test.mjs [--full] [--only=<suite>[,<suite>...]]
//
// Suites: types tidy lint native asan tsan fuzz bench, each folder of test/ that holds tests, and
// grpc-js: those of them that run over the portable transport as well.

import { readdirSync } from 'node:fs';
import { bootstrap } from './bootstrap.mjs';
import { ensureAddon, ensureTypeScript } from './lib/compile.mjs';
import { fuzz } from './lib/fuzz.mjs';
import * as suites from './lib/suites.mjs';
import { heading, inRoot, main, say, seconds } from './lib/tasks.mjs';
import { referenceEnvironment } from './reference.mjs';

/** Files that measure how long things take under load: nothing else runs meanwhile. */
const aloneFiles = [
  'crowd/crowd',
  'crowd/turns',
  'cluster/kills',
  'cluster/links',
  'cluster/pauses',
];

/** The files that take longest: started first, so that in the end no core waits for one of them. */
const longFiles = [
  'sim/double',
  'unit/cluster/peers/snapshots',
  'integration/cluster/start',
  'integration/cluster/cluster',
  'integration/lifecycle/lifecycle',
  'integration/upkeep/corruption',
  'integration/upkeep/downgrade',
  'conformance/compared/flags/flags',
  'conformance/etcdctl/etcdctl',
  'conformance/matrix/matrix',
  'conformance/wire/h2spec',
  'conformance/compared/metrics/metrics',
  'fault/cluster/membership',
  'fault/durability/durability',
  'fault/floods/slow',
];

/** Built with the C++ units. */
const storeBench = inRoot('build', 'units-plain', 'store_bench');

/** What the portable transport has to pass as well: a full run takes all of both folders. */
const portableFolders = {
  full: ['test/integration', 'test/conformance'],
  reduced: ['test/integration/services'],
};

function readArguments(args) {
  const full = args.includes('--full');
  const only = args.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
  const known = args.filter((argument) => argument === '--full' || argument.startsWith('--only='));
  if (known.length !== args.length) throw new Error(`unknown argument among: ${args.join(' ')}`);
  return { full, only: only ? new Set(only.split(',')) : null };
}

/** Every folder of test/ that holds compiled tests, in the order of what they rest on. */
function testFolders() {
  const order = ['unit', 'sim', 'integration', 'conformance', 'fault'];
  const present = readdirSync(inRoot('test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .filter((name) => suites.testFiles(`test/${name}`).length > 0);
  const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  return present.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

/** How files of test/ are run, in the words of `suites.tapFiles`: they mostly wait. */
const schedule = { jobs: 3, first: longFiles, alone: aloneFiles };

function listSuites(context) {
  const list = [
    { name: 'types', title: 'types', work: () => suites.types() },
    {
      name: 'tidy',
      title: 'tidy',
      work: () =>
        suites.tapFiles([inRoot('dist', 'test', 'tidy.test.js')], { jobs: 1, ...context }),
    },
    { name: 'lint', title: 'lint and format', work: () => suites.lint() },
  ];
  for (const [variant, { label }] of Object.entries(suites.nativeVariants)) {
    const name = variant === 'plain' ? 'native' : variant;
    // Two more builds of everything would take half of the time that `npm test` may.
    if (name !== 'native' && !context.full && !context.only?.has(name)) continue;
    list.push({ name, title: label, work: () => suites.nativeUnits(variant, context) });
  }
  if (context.full || context.only?.has('fuzz')) {
    list.push({ name: 'fuzz', title: 'fuzz: the session', work: () => fuzz({ runSeconds: 120 }) });
  }
  for (const folder of testFolders()) {
    const how = { ...context, ...schedule };
    const work = () => suites.tapFiles(suites.testFiles(`test/${folder}`), how);
    list.push({ name: folder, title: `TypeScript: ${folder}`, work });
  }
  const portable = portableFolders[context.full ? 'full' : 'reduced'].flatMap(suites.testFiles);
  const overGrpcJs = { ...context, env: { ...context.env, METASTORE_TEST_TRANSPORT: 'grpc-js' } };
  list.push({
    name: 'grpc-js',
    title: 'TypeScript: over grpc-js',
    work: () => suites.tapFiles(portable, { ...overGrpcJs, ...schedule }),
  });
  const benchmarks = suites.testFiles('bench');
  const tiny = { ...context, env: { ...context.env, METASTORE_STORE_BENCH: storeBench } };
  const work = () => suites.tapFiles(benchmarks, { jobs: 1, ...tiny });
  list.push({ name: 'bench', title: 'benchmarks, tiny', work });
  return list;
}

async function runSuites(list) {
  const results = [];
  for (const { title, work } of list) {
    heading(title);
    const started = Date.now();
    const result = await work();
    const { passed, failed, skippedNames } = result;
    const skips = skippedNames.length > 0 ? `, ${skippedNames.length} skipped` : '';
    const took = seconds(Date.now() - started);
    say(`== ${title}: ${passed} passed, ${failed} failed${skips} in ${took}`);
    results.push(result);
  }
  return suites.sum(results);
}

function report(total, startedMs) {
  heading(`all suites: ${seconds(Date.now() - startedMs)}`);
  say('(counted: each lint or type check, GoogleTest case and leaf test of tap as one)');
  for (const name of total.skippedNames) say(`skipped: ${name}`);
  for (const name of total.failedNames) say(`FAILED: ${name}`);
  const skips = total.skippedNames.length > 0 ? `, ${total.skippedNames.length} skipped` : '';
  process.stdout.write(`${total.passed} passed, ${total.failed} failed${skips}\n`);
}

await main(async () => {
  const started = Date.now();
  const { full, only } = readArguments(process.argv.slice(2));
  heading('set-up');
  await bootstrap();
  await ensureAddon();
  try {
    await ensureTypeScript();
  } catch (error) {
    say(`TypeScript does not compile: ${error.message}`); // The types suite reports it.
  }
  const reference = await referenceEnvironment();
  const env = { ...process.env, ...reference, ...(full ? { METASTORE_TEST_FULL: '1' } : {}) };
  const list = listSuites({ full, only, env }).filter(
    ({ name }) => only === null || only.has(name),
  );
  if (list.length === 0) throw new Error('no such suite');
  const total = await runSuites(list);
  report(total, started);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
});
