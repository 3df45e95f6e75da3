// Shows that the simulator bites: breaks the built code in scratch copies, one mistake each, and
// reports the first seed that notices. Needs a build; prints the rows of the table in
// docs/testing.md. Not part of `npm test`.
//
//   node test/sim/mutations.mjs [--variant=double] [--seeds=200] [<name>...]

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Each replaces `from`, which must be there exactly once, by `to` in a compiled file of src. */
const mutations = [
  {
    name: 'commit-quorum',
    what: 'an entry is committed by one voter less than a majority',
    file: 'raft/quorum/majority.js',
    from: 'indexes[n - (Math.floor(n / 2) + 1)]',
    to: 'indexes[n - Math.floor(n / 2)]',
  },
  {
    name: 'vote-quorum',
    what: 'an election is won by one vote less than a majority',
    file: 'raft/quorum/majority.js',
    from: 'const quorum = Math.floor(n / 2) + 1;',
    to: 'const quorum = Math.floor(n / 2);',
  },
  {
    name: 'no-fsync',
    what: 'writes are answered when they are merely written',
    file: 'server/replica/disk/writes.js',
    from: 'appendRuns(entries), hardState, sync)',
    to: 'appendRuns(entries), hardState, false)',
  },
  {
    name: 'vote-log-check',
    what: 'a vote is given without looking at the candidate’s log',
    file: 'raft/core/roles/election.js',
    from: 'canVote && r.log.isUpToDate(m.index, m.logTerm)',
    to: 'canVote',
  },
  {
    name: 'votes-not-held',
    what: 'votes are asked for before the own term is durable',
    file: 'server/replica/replica-loop.js',
    from: 'ready.messages.filter(({ type }) => type === MessageType.Vote)',
    to: '[]',
    also: ['message.type !== MessageType.Vote', 'true'],
  },
  {
    name: 'unconfirmed-reads',
    what: 'a leader answers reads without asking a quorum',
    file: 'raft/core/roles/leader-reads.js',
    from: 'r.config.readOnlyOption === ReadOnlyOption.LeaseBased',
    to: 'true',
  },
  {
    name: 'no-early-errors',
    what: 'proposals that a new leader never got wait for their time limit',
    file: 'server/assembly.js',
    from: 'core.failHandedOver(',
    to: 'void (',
  },
  {
    name: 'forwards-twice',
    what: 'a forward of which nobody knows is proposed again',
    file: 'server/replica/requests/proposals.js',
    from: "log.debug('forwarded proposals may be lost'",
    to: "core.returnForwards(forwards, 0); log.debug('forwarded proposals may be lost'",
  },
  {
    name: 'foreign-messages',
    what: 'what another member forwarded here is forwarded again',
    file: 'server/replica/outgoing.js',
    from: 'const foreign = ',
    to: 'const foreign = false && ',
  },
];

function replaceOnce(text, from, to, file) {
  if (text.split(from).length !== 2) {
    throw new Error(`${file} does not hold \`${from}\` exactly once: the mutation is out of date`);
  }
  return text.replace(from, () => to);
}

function mutatedCopy({ name, file, from, to, also }) {
  const copy = mkdtempSync(join(tmpdir(), `metastore-mutation-${name}-`));
  for (const part of ['package.json', 'dist/src', 'dist/test/support', 'native/base/errors.def']) {
    mkdirSync(dirname(join(copy, part)), { recursive: true });
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  for (const part of ['node_modules', 'build', 'proto']) {
    symlinkSync(join(root, part), join(copy, part));
  }
  const path = join(copy, 'dist', 'src', file);
  let text = replaceOnce(readFileSync(path, 'utf8'), from, to, file);
  if (also !== undefined) {
    text = replaceOnce(text, also[0], also[1], file);
  }
  writeFileSync(path, text);
  return copy;
}

async function firstFailure(copy, variant, seeds) {
  const module = (path) =>
    import(pathToFileURL(join(copy, 'dist', 'test', 'support', 'sim', 'runner', path)));
  const { runVariant } = await module('variants.js');
  const { silentLog } = await module('silent-log.js');
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await runVariant(variant, seed, silentLog);
    } catch (error) {
      return { seed, message: error.message.split('\n')[0] };
    }
  }
  return null;
}

const args = process.argv.slice(2);
const option = (name, fallback) =>
  args.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback;
const variant = option('variant', 'double');
const seeds = Number(option('seeds', '200'));
const names = args.filter((argument) => !argument.startsWith('--'));

for (const mutation of mutations.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const copy = mutatedCopy(mutation);
  try {
    const found = await firstFailure(copy, variant, seeds);
    const report =
      found === null ? `not found by ${seeds} seeds` : `${found.seed} | ${found.message}`;
    process.stdout.write(`| ${mutation.what} (\`${mutation.name}\`) | ${report} |\n`);
    process.exitCode ||= found === null ? 1 : 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
