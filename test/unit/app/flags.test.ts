// Tests of src/app/flags: Go's flag syntax, environment, configuration files, and the whole table.
// Runs without a server and without the addon.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { readConfigFile } from '../../../src/app/flags/config-file.js';
import { parseCommandLine } from '../../../src/app/flags/parser.js';
import { type Flags, resolveFlags } from '../../../src/app/flags/sources.js';
import { flagTable } from '../../../src/app/flags/table.js';
import { ownFlags } from '../../../src/app/flags/tables/own.js';
import { defaultValue, parseDurationMs } from '../../../src/app/flags/values/values.js';
import { flagsText } from '../../../src/app/text/usage.js';
import { packageRoot } from '../../../src/base/package.js';
import { tempDir } from '../../support/temp-dir.js';

const parse = (...args: string[]) => parseCommandLine(args, flagTable);
const resolve = (args: string[], environment: Record<string, string> = {}) =>
  resolveFlags(parseCommandLine(args, flagTable), environment, flagTable, readConfigFile);
const flagsOf = (args: string[], environment: Record<string, string> = {}): Flags =>
  resolve(args, environment).flags;

function fileWith(text: string): string {
  const path = join(tempDir('config'), 'config.yaml');
  writeFileSync(path, text);
  return path;
}

t.test('the forms of Go flags', async (t) => {
  for (const args of [['--name=a'], ['-name=a'], ['--name', 'a'], ['-name', 'a']]) {
    t.equal(parse(...args).given.get('name'), 'a', args.join(' '));
  }
  t.equal(parse('--name=a=b').given.get('name'), 'a=b');
  t.equal(parse('--name=').given.get('name'), '');
  t.equal(parse('--name', '--data-dir').given.get('name'), '--data-dir', 'takes what follows');
  t.equal(parse('--name=a', '--name=b').given.get('name'), 'b', 'the last one wins');
});

t.test('a boolean never takes the next argument', async (t) => {
  const line = parse('--pre-vote', 'false');
  t.equal(line.given.get('pre-vote'), true);
  t.same(line.positional, ['false']);
  t.equal(parse('--pre-vote=false').given.get('pre-vote'), false);
  t.equal(parse('--pre-vote=F').given.get('pre-vote'), false);
});

t.test('-- and the first plain argument end the flags', async (t) => {
  t.same(parse('--', '--name=a').positional, ['--name=a']);
  t.same(parse('xyz', '--name=a').positional, ['xyz', '--name=a']);
  t.same(parse('-').positional, ['-']);
});

t.test('what is wrong is said in the words of the reference', async (t) => {
  const wrong: [string[], string][] = [
    [['--x'], 'flag provided but not defined: -x'],
    [['--discovery=a'], 'flag provided but not defined: -discovery'],
    [['--experimental-x=a'], 'flag provided but not defined: -experimental-x'],
    [['--name'], 'flag needs an argument: -name'],
    [['---name=a'], 'bad flag syntax: ---name=a'],
    [['--=a'], 'bad flag syntax: --=a'],
    [
      ['--snapshot-catchup-entries=-1'],
      'invalid value "-1" for flag -snapshot-catchup-entries: parse error',
    ],
    [['--snapshot-count=abc'], 'invalid value "abc" for flag -snapshot-count: parse error'],
    [['--max-txn-ops=-1'], 'invalid value "-1" for flag -max-txn-ops: parse error'],
    [['--pre-vote=maybe'], 'invalid boolean value "maybe" for -pre-vote: parse error'],
    [
      ['--initial-cluster-state=foo'],
      'invalid value "foo" for flag -initial-cluster-state: invalid value',
    ],
    [
      ['--v2-deprecation=not-yet'],
      'invalid value "not-yet" for flag -v2-deprecation: invalid value "not-yet"',
    ],
    [
      ['--feature-gates=Foo=true'],
      'invalid value "Foo=true" for flag -feature-gates: unrecognized feature gate: Foo',
    ],
    [['--auto-compaction-retention'], 'flag needs an argument: -auto-compaction-retention'],
  ];
  for (const [args, message] of wrong) {
    t.throws(() => parse(...args), { name: 'UsageError', message }, args.join(' '));
  }
  t.throws(() => parse('--listen-client-urls=127.0.0.1:1'), {
    message:
      'invalid value "127.0.0.1:1" for flag -listen-client-urls: parse "127.0.0.1:1": first ' +
      'path segment in URL cannot contain colon',
  });
  t.throws(() => parse('--listen-client-urls=localhost:1'), {
    message: /^invalid value "localhost:1" for flag -listen-client-urls: URL scheme must be/,
  });
  t.throws(() => parse('--listen-client-urls=http://a'), { message: /form "host:port"/ });
  for (const path of ['/path', '/']) {
    const url = `http://a:1${path}`;
    t.throws(() => parse(`--listen-client-urls=${url}`), {
      message:
        `invalid value "${url}" for flag -listen-client-urls: ` +
        `URL must not contain a path: ${url}`,
    });
  }
  t.same(flagsOf(['--listen-peer-urls=']).list('listen-peer-urls'), ['http://localhost:2380']);
});

t.test('numbers in all the forms of Go, and beyond what a number holds', async (t) => {
  const forms: [string, number][] = [
    ['10', 10],
    ['-3', -3],
    ['0x10', 16],
    ['010', 8],
    ['0b11', 3],
    ['0', 0],
    ['9223372036854775807', Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, value] of forms) {
    t.equal(parse(`--quota-backend-bytes=${text}`).given.get('quota-backend-bytes'), value, text);
  }
  for (const text of ['', ' 1', '1.0', '1e3', '99999999999999999999', '0x']) {
    t.throws(() => parse(`--quota-backend-bytes=${text}`), { name: 'UsageError' }, text);
  }
});

t.test('durations', async (t) => {
  const forms: [string, number][] = [
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['-2s', -2000],
    ['0', 0],
    ['100ms', 100],
    ['250us', 0.25],
    ['2h0m0s', 7_200_000],
  ];
  for (const [text, ms] of forms) {
    t.equal(parseDurationMs(text), ms, text);
  }
  for (const text of ['', '5', 's', '1 s', '1x', 'abc']) {
    t.equal(parseDurationMs(text), null, text);
  }
});

t.test('the environment sets what the command line does not', async (t) => {
  const { flags, notices } = resolve([], { ETCD_DATA_DIR: '/x', ETCD_FOO: '1', ETCD_NAME: '' });
  t.equal(flags.text('data-dir'), '/x');
  t.equal(flags.text('name'), 'default', 'an empty variable is not set');
  t.match(notices[0], {
    level: 'info',
    message: 'recognized and used environment variable',
    fields: { 'variable-name': 'ETCD_DATA_DIR', 'variable-value': '/x' },
  });
  const unknown = notices.filter((notice) => notice.level === 'warn');
  t.same(unknown.map((notice) => notice.fields['environment-variable']).sort(), [
    'ETCD_FOO=1',
    'ETCD_NAME=',
  ]);
});

t.test('a flag and its variable together are a conflict', async (t) => {
  t.throws(() => resolve(['--name=a'], { ETCD_NAME: 'a' }), {
    name: 'ConflictError',
    variable: 'ETCD_NAME',
    message: /shadowed by corresponding command-line flag/,
  });
  t.throws(() => resolve([], { ETCD_SNAPSHOT_COUNT: 'abc' }), {
    message: 'invalid value "abc" for ETCD_SNAPSHOT_COUNT: parse error',
  });
});

t.test('a configuration file replaces everything else', async (t) => {
  const path = fileWith(
    [
      'name: filed',
      'snapshot-count: 77',
      'pre-vote: false',
      'watch-progress-notify-interval: 1000000000',
      'listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2',
      'log-outputs: [stderr]',
      'unknown-key: 1',
    ].join('\n'),
  );
  const { flags, notices } = resolve(['--name=line', `--config-file=${path}`], {
    ETCD_DATA_DIR: '/x',
  });
  t.equal(flags.text('name'), 'filed');
  t.equal(flags.text('data-dir'), '', 'the environment is ignored');
  t.equal(flags.number('snapshot-count'), 77);
  t.equal(flags.bool('pre-vote'), false);
  t.equal(flags.number('watch-progress-notify-interval'), 1000, 'nanoseconds');
  t.same(flags.list('listen-client-urls'), ['http://127.0.0.1:1', 'http://127.0.0.1:2']);
  t.match(notices[0]?.message, /^loaded server configuration, other configuration/);
  t.equal(flagsOf([], { ETCD_CONFIG_FILE: path }).text('name'), 'filed');
});

t.test('configuration files are JSON as well, with nested keys', async (t) => {
  const path = fileWith('{"name":"j","socket-options":{"reuse-address":true}}');
  const flags = flagsOf([`--config-file=${path}`]);
  t.equal(flags.text('name'), 'j');
  t.equal(flags.bool('socket-reuse-address'), true);
});

t.test('bad configuration files are refused', async (t) => {
  t.throws(() => resolve(['--config-file=/nowhere/x']), {
    message: 'open /nowhere/x: no such file or directory',
  });
  t.throws(() => resolve([`--config-file=${fileWith('a: [')}`]), {
    message: /^error converting YAML to JSON: yaml: /,
  });
  t.throws(() => resolve([`--config-file=${fileWith('grpc-keepalive-timeout: 1s')}`]), {
    message: /^error unmarshaling JSON: .*cannot unmarshal string into .*time\.Duration$/,
  });
  t.throws(() => resolve([`--config-file=${fileWith('feature-gates: Foo=true')}`]), {
    message: /unrecognized feature gate: Foo/,
  });
});

t.test(
  'every default of the table is a value of its kind, and the help names every flag',
  async (t) => {
    const help = flagsText();
    let counted = 0;
    for (const row of flagTable.values()) {
      t.ok(defaultValue(row) !== undefined, row.name);
      if (row.use.kind !== 'ignored') {
        counted++;
        t.ok(help.includes(`--${row.name} `), row.name);
      }
      if (row.use.kind === 'accepted') {
        t.ok(row.use.why.length > 10, `${row.name} says why it has no effect`);
      }
    }
    t.equal(counted - ownFlags.length, 113, 'all documented flags and no others');
  },
);

/** What the file sets that is not the default. Durations in milliseconds. */
const chosen: Readonly<Record<string, number>> = {
  'raft-max-message-bytes': 4 * 2 ** 20,
  'raft-max-uncommitted-bytes': 2 ** 30,
  'grpc-max-receive-bytes': 4 * 2 ** 20,
  'grpc-max-send-bytes': 4 * 2 ** 20,
  'max-concurrent-streams': 2048,
  'max-connections': 10_000,
  'max-concurrent-requests': 5000,
  'max-memory-bytes': 8 * 2 ** 30,
  'grpc-stream-window-bytes': 8 * 2 ** 20,
  'grpc-connection-window-bytes': 16 * 2 ** 20,
  'grpc-keepalive-interval': 10_000,
  'grpc-keepalive-timeout': 10_000,
  'grpc-idle-timeout': 300_000,
  'stop-grace': 10_000,
};

t.test('the configuration files of this repository say what they claim', async (t) => {
  const { flags } = resolve([`--config-file=${join(packageRoot, 'configs', 'config.yaml')}`]);
  let given = 0;
  for (const row of flagTable.values()) {
    if (flags.given(row.name)) {
      given++;
      t.equal(row.use.kind, 'effective', `${row.name} has an effect`);
      t.same(flags.value(row.name), chosen[row.name] ?? defaultValue(row), row.name);
    }
  }
  t.ok(given > 60, `${given} settings`);
  const text = readFileSync(join(packageRoot, 'configs', 'config.yaml'), 'utf8');
  for (const { name, configKey, use } of flagTable.values()) {
    const key = configKey?.split('.').at(-1);
    if (key !== undefined && use.kind === 'effective') {
      t.ok(new RegExp(`^(# )? *${key}: `, 'm').test(text), `${name} is explained`);
    }
  }
  const example = flagsOf([`--config-file=${join(packageRoot, 'configs', 'example.yaml')}`]);
  t.equal(example.text('name'), 'm1');
  t.same(example.list('listen-client-urls'), ['http://0.0.0.0:2379']);
});
