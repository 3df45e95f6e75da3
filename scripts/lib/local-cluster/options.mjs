// The command line of scripts/local-cluster: what it takes, what it means, what is wrong with it.
// Called by main.mjs. A mistake is an Error whose message is for the person at the terminal.

import { resolve } from 'node:path';
import { inRoot } from '../tasks.mjs';

export const usage = `Usage: scripts/local-cluster [3|5] [options] [--<flag>=<value> ...]
       scripts/local-cluster stop [--data=<dir>]

Starts a cluster on 127.0.0.1, prints its members, shows who leads, and stops all of them on Ctrl-C,
on SIGTERM, or by "scripts/local-cluster stop". Started again on the same directory, it goes on with
the same data.

  --engine=memory|rocksdb|mixed  storage of the members; mixed takes them in turn  (rocksdb)
  --base-port=<port>             first member: clients here, peers one above; each further
                                 member ten above the one before                   (2379)
  --data=<dir>                   data directories and logs of the members          (./local-cluster)
  --fresh                        removes what an earlier cluster left in --data
  --program=<path>               another server that takes the same flags, without --storage-engine

Every other flag of the form --<flag>=<value> goes to all members, such as --heartbeat-interval=50.
`;

const engines = {
  memory: ['memory'],
  rocksdb: ['rocksdb'],
  mixed: ['memory', 'rocksdb'],
};

/** Flags that each member needs a value of its own for. */
const own = new Set([
  'name',
  'data-dir',
  'wal-dir',
  'listen-client-urls',
  'advertise-client-urls',
  'listen-peer-urls',
  'initial-advertise-peer-urls',
  'initial-cluster',
  'initial-cluster-state',
  'storage-engine',
  'config-file',
  'listen-metrics-urls',
]);

function port(text, size) {
  const value = Number(text);
  const last = value + 10 * (size - 1) + 1;
  if (!Number.isInteger(value) || value < 1 || last > 65_535) {
    throw new Error(`--base-port=${text}: not a port with room for ${size} members above it`);
  }
  return value;
}

/** `--name=value` or `--name` as [name, value]; null for anything else. */
function flagOf(argument) {
  const match = /^--?([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(argument);
  return match === null ? null : [match[1], match[2]];
}

function memberFlag(name, argument) {
  if (own.has(name)) {
    throw new Error(`--${name} is set for each member by this script`);
  }
  if (!argument.includes('=')) {
    throw new Error(`${argument}: give flags of the members as --${name}=<value>`);
  }
  return argument;
}

/**
 * @param {string[]} args
 * @returns {{command: 'help' | 'stop' | 'start', size: number, engines: string[] | null,
 *   basePort: number, data: string, fresh: boolean, program: string, flags: string[]}}
 */
export function readOptions(args) {
  const given = {};
  const words = [];
  const flags = [];
  for (const argument of args) {
    const flag = flagOf(argument);
    if (flag === null) {
      words.push(argument);
    } else if (['help', 'h', 'fresh'].includes(flag[0]) && flag[1] === undefined) {
      given[flag[0]] = true;
    } else if (['engine', 'base-port', 'data', 'program'].includes(flag[0])) {
      if (!flag[1]) throw new Error(`--${flag[0]} needs a value: --${flag[0]}=...`);
      given[flag[0]] = flag[1];
    } else {
      flags.push(memberFlag(flag[0], argument));
    }
  }
  const [word = '3', ...more] = words;
  if (more.length > 0 || !['3', '5', 'stop'].includes(word)) {
    throw new Error(`"${words.join(' ')}": expected 3, 5 or stop (see --help)`);
  }
  if (given.engine !== undefined && !Object.hasOwn(engines, given.engine)) {
    throw new Error(`--engine=${given.engine}: expected memory, rocksdb or mixed`);
  }
  const size = word === 'stop' ? 3 : Number(word);
  const isOurs = given.program === undefined;
  return {
    command: given.help || given.h ? 'help' : word === 'stop' ? 'stop' : 'start',
    size,
    engines: isOurs ? engines[given.engine ?? 'rocksdb'] : null,
    basePort: port(given['base-port'] ?? '2379', size),
    data: resolve(given.data ?? 'local-cluster'),
    fresh: given.fresh === true,
    program: isOurs ? inRoot('scripts', 'metastore') : resolve(given.program),
    flags,
  };
}
