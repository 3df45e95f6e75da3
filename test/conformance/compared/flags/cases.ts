// The ways to start a server that are tried on both programs: command lines, environments and
// configuration files, most of them wrong. Read by flags.test.ts.

import type { FlagCase } from './outcome.js';

const flagSyntax: readonly FlagCase[] = [
  { name: 'unknown flag', args: ['--nope'] },
  { name: 'unknown flag with a value', args: ['--nope=1'] },
  { name: 'a flag of the past', args: ['--enable-v2'] },
  { name: 'an experimental flag of the past', args: ['--experimental-corrupt-check-time=1s'] },
  { name: 'discovery of the past', args: ['--discovery=x'] },
  { name: 'three dashes', args: ['---name=x'] },
  { name: 'no name', args: ['--=x'] },
  { name: 'a positional argument', args: ['xyz'] },
  { name: 'a positional argument after a boolean', args: ['--pre-vote', 'false'] },
  { name: 'a dash alone', args: ['-'] },
  { name: 'after two dashes', args: ['--', '--nope'] },
  { name: 'a missing value', args: ['--name'] },
  { name: 'one dash', args: ['-log-level=debug'] },
  { name: 'not a number', args: ['--snapshot-count=abc'] },
  { name: 'a negative unsigned number', args: ['--snapshot-count=-1'] },
  { name: 'an empty number', args: ['--snapshot-count='] },
  { name: 'a number out of range', args: ['--max-concurrent-streams=4294967296'] },
  { name: 'a number beyond 64 bits', args: ['--snapshot-count=18446744073709551616'] },
  { name: 'a signed number out of range', args: ['--quota-backend-bytes=9223372036854775808'] },
  { name: 'a hexadecimal number', args: ['--snapshot-count=0x100'] },
  { name: 'digits with underscores', args: ['--snapshot-count=10_000'] },
  { name: 'a fraction', args: ['--max-txn-ops=1.5'] },
  { name: 'not a boolean', args: ['--pre-vote=maybe'] },
  { name: 'a boolean T', args: ['--pre-vote=T'] },
  { name: 'an empty boolean', args: ['--pre-vote='] },
  { name: 'not a duration', args: ['--corrupt-check-time=abc'] },
  { name: 'a duration without unit', args: ['--corrupt-check-time=10'] },
  { name: 'an odd duration', args: ['--watch-progress-notify-interval=1h2m3.5s'] },
  { name: 'an empty duration', args: ['--warning-apply-duration='] },
  { name: 'the last of repeated flags wins', args: ['--snapshot-count=abc', '--snapshot-count=1'] },
  { name: 'a choice that there is not', args: ['--initial-cluster-state=foo'] },
  { name: 'an empty choice', args: ['--initial-cluster-state='] },
  { name: 'v2-deprecation', args: ['--v2-deprecation=not-yet'] },
  { name: 'v2-deprecation gone', args: ['--v2-deprecation=gone'] },
  { name: 'discovery-fallback', args: ['--discovery-fallback=proxy'] },
  { name: 'an unknown feature gate', args: ['--feature-gates=Foo=true'] },
  { name: 'a feature gate without a value', args: ['--feature-gates=AllAlpha'] },
  { name: 'a feature gate with another', args: ['--feature-gates=AllAlpha=yes'] },
  {
    name: 'a bad cors origin',
    args: ['--cors=http://ok.example'],
  },
  { name: 'listen URL without port', args: ['--listen-client-urls=http://127.0.0.1'] },
  { name: 'listen URL without scheme', args: ['--listen-peer-urls=127.0.0.1:2380'] },
  { name: 'listen URL with path', args: ['--listen-client-urls=http://127.0.0.1:{c}/x'] },
  { name: 'listen URL of another scheme', args: ['--listen-client-urls=ftp://127.0.0.1:1'] },
  { name: 'an empty listen URL', args: ['--listen-client-urls='] },
  { name: 'help', args: ['--help'] },
  { name: 'an ignored flag', args: ['--vv=1', '--force=x'] },
];

const environment: readonly FlagCase[] = [
  { name: 'flag and variable', env: { ETCD_SNAPSHOT_COUNT: '1' }, args: ['--snapshot-count=2'] },
  { name: 'a bad number by variable', env: { ETCD_SNAPSHOT_COUNT: 'abc' } },
  { name: 'a bad boolean by variable', env: { ETCD_PRE_VOTE: 'maybe' } },
  { name: 'a bad duration by variable', env: { ETCD_CORRUPT_CHECK_TIME: '1' } },
  { name: 'a bad choice by variable', env: { ETCD_INITIAL_CLUSTER_STATE: 'foo' } },
  { name: 'a bad feature gate by variable', env: { ETCD_FEATURE_GATES: 'Foo=true' } },
  { name: 'a bad level by variable', env: { ETCD_LOG_LEVEL: 'foo' } },
  { name: 'a bad URL by variable', env: { ETCD_LISTEN_METRICS_URLS: 'foo' } },
  {
    name: 'an unknown variable',
    env: { ETCD_FOO: '1', GODEBUG: 'x=1', GOFAIL_HTTP: 'x' },
    logs: '"environment-variable":"ETCD_FOO=1"',
  },
  { name: 'an empty variable', env: { ETCD_SNAPSHOT_COUNT: '' } },
  {
    name: 'the version by variable',
    env: { ETCD_VERSION: 'x' },
    logs: 'cannot set special environment variable',
  },
  {
    name: 'a variable is used',
    env: { ETCD_MAX_TXN_OPS: '7' },
    logs: 'recognized and used environment variable',
  },
  { name: 'an ignored flag by variable', env: { ETCD_VV: '1' } },
];

const together: readonly FlagCase[] = [
  { name: 'heartbeat 0', args: ['--heartbeat-interval=0'] },
  { name: 'election 0', args: ['--election-timeout=0'] },
  { name: 'election below five heartbeats', args: ['--election-timeout=499'] },
  { name: 'election too long', args: ['--election-timeout=50001'] },
  { name: 'compaction mode', args: ['--auto-compaction-mode=x'] },
  { name: 'no compaction mode', args: ['--auto-compaction-mode='] },
  {
    name: 'compaction retention',
    args: ['--auto-compaction-retention=x'],
  },
  {
    name: 'revision retention',
    args: ['--auto-compaction-mode=revision', '--auto-compaction-retention=1h'],
  },
  { name: 'compact hash check time', args: ['--compact-hash-check-time=0s'] },
  { name: 'logger capnslog', args: ['--logger=capnslog'] },
  { name: 'logger x', args: ['--logger=x'] },
  { name: 'log format', args: ['--log-format=x'] },
  { name: 'log level', args: ['--log-level=foo'] },
  { name: 'log outputs default and more', args: ['--log-outputs=default,stdout'] },
  { name: 'rotation without a file', args: ['--enable-log-rotation', '--log-outputs=stderr'] },
  { name: 'rotation by default', args: ['--enable-log-rotation'] },
  {
    name: 'rotation of two files',
    args: ['--enable-log-rotation', '--log-outputs={dir}/a,{dir}/b'],
  },
  {
    name: 'rotation with bad JSON',
    args: ['--enable-log-rotation', '--log-outputs={dir}/a', '--log-rotation-config-json=x'],
  },
  {
    name: 'rotation with a bad value',
    args: [
      '--enable-log-rotation',
      '--log-outputs={dir}/a',
      '--log-rotation-config-json={"maxsize":"x"}',
    ],
  },
  {
    name: 'rotation with a list',
    args: ['--enable-log-rotation', '--log-outputs={dir}/a', '--log-rotation-config-json=[]'],
  },
  { name: 'journal where there is none', args: ['--log-outputs=systemd/journal'] },
  { name: 'a log file that cannot be made', args: ['--log-outputs={dir}/none/file'] },
  {
    name: 'a gate that needs another',
    args: ['--feature-gates=LeaseCheckpointPersist=true'],
  },
  {
    name: 'discovery endpoints without token',
    args: ['--initial-cluster=', '--discovery-endpoints=http://127.0.0.1:1'],
  },
  {
    name: 'discovery token without endpoints',
    args: ['--initial-cluster=', '--discovery-token=x'],
  },
  {
    name: 'two ways to make a cluster',
    args: ['--discovery-token=x', '--discovery-endpoints=http://127.0.0.1:1'],
  },
  { name: 'two ways, with DNS', args: ['--discovery-srv=example.invalid'] },
  { name: 'a listen host that is a name', args: ['--listen-client-urls=http://example.com:1'] },
  {
    name: 'no advertise URLs',
    bare: true,
    args: ['--listen-client-urls=http://127.0.0.1:{c}', '--data-dir={dir}/data'],
  },
  { name: 'advertise without host', args: ['--advertise-client-urls=http://:{c}'] },
  { name: 'advertise peer without host', args: ['--initial-advertise-peer-urls=http://:{p}'] },
  { name: 'tracing rate too high', args: ['--distributed-tracing-sampling-rate=1000001'] },
  {
    name: 'tracing rate too high, in use',
    args: ['--enable-distributed-tracing', '--distributed-tracing-sampling-rate=1000001'],
  },
  {
    name: 'tracing rate negative, in use',
    args: ['--enable-distributed-tracing', '--distributed-tracing-sampling-rate=-1'],
  },
  {
    name: 'tracing without a collector',
    args: ['--enable-distributed-tracing'],
  },
  { name: 'local name not in the cluster', args: ['--name=other'] },
  {
    name: 'a URL of two names',
    args: ['--initial-cluster=default=http://127.0.0.1:{p},b=http://127.0.0.1:{p}'],
  },
  { name: 'a cluster of nonsense', args: ['--initial-cluster=foo'] },
  {
    name: 'advertised URL that the cluster has not',
    args: ['--initial-cluster=default=http://127.0.0.1:{x}'],
  },
  { name: 'data directory is a file', args: ['--data-dir=/proc/version'] },
  { name: 'no peers to join', args: ['--initial-cluster-state=existing'] },
  { name: 'a snapshot count of 0', args: ['--snapshot-count=0'] },
  { name: 'raft timeouts', args: ['--raft-read-timeout=1s', '--raft-write-timeout=10s'] },
  { name: 'freelist', args: ['--backend-bbolt-freelist-type=foo'] },
  { name: 'learners', args: ['--max-learners=-1'] },
  { name: 'no learners', args: ['--max-learners=0'] },
  { name: 'large requests', args: ['--max-request-bytes=20971520'], logs: '20' },
];

const files: readonly FlagCase[] = [
  { name: 'file: nothing more', file: '' },
  {
    name: 'file: JSON',
    bare: true,
    file:
      '{"name":"x","data-dir":"{dir}/data","initial-cluster":"y=http://127.0.0.1:{p}",' +
      '"listen-client-urls":"http://127.0.0.1:{c}","listen-peer-urls":"http://127.0.0.1:{p}"}',
  },
  { name: 'file: a duration in words', file: 'corrupt-check-time: 1s\n' },
  { name: 'file: a number in words', file: 'snapshot-count: abc\n' },
  { name: 'file: a number as text', file: 'snapshot-count: "5"\n' },
  { name: 'file: a boolean as text', file: 'pre-vote: "false"\n' },
  { name: 'file: a text as number', file: 'name: 5\n' },
  { name: 'file: a fraction', file: 'snapshot-count: 1.5\n' },
  { name: 'file: a negative count', file: 'snapshot-count: -1\n' },
  { name: 'file: unknown keys', file: 'foo: bar\nbaz: {a: 1}\n' },
  { name: 'file: other letters', file: 'Snapshot-Count: 7\n' },
  {
    name: 'file: not YAML',
    differs: {
      why: 'the words of another YAML parser',
      to: { end: 1, msg: 'failed to verify flags' },
    },
    bare: true,
    file: 'a: [\n',
  },
  {
    name: 'file: not YAML, a tab',
    differs: {
      why: 'the words of another YAML parser',
      to: { end: 1, msg: 'failed to verify flags' },
    },
    bare: true,
    file: 'a:\n\tb: 1\n',
  },
  { name: 'file: a text', bare: true, file: 'just text\n' },
  { name: 'file: a list', bare: true, file: '- a\n- b\n' },
  { name: 'file: there is none', bare: true, args: ['--config-file={dir}/none'] },
  { name: 'file: a directory', bare: true, args: ['--config-file={dir}'] },
  { name: 'file: by variable', bare: true, env: { ETCD_CONFIG_FILE: '{dir}/none' } },
  { name: 'file: other flags mean nothing', file: '', args: ['--snapshot-count=3', '--name=zz'] },
  { name: 'file: wrong flags are wrong all the same', file: '', args: ['--nope'] },
  { name: 'file: a bad variable means nothing', file: '', env: { ETCD_SNAPSHOT_COUNT: 'abc' } },
  { name: 'file: a list of URLs', file: 'listen-metrics-urls: [http://127.0.0.1:{x}]\n' },
  { name: 'file: bad URL', file: 'listen-client-urls: foo\n' },
  { name: 'file: log outputs', file: 'log-outputs: [stderr]\n' },
  { name: 'file: log outputs as text', file: 'log-outputs: stderr\n' },
  { name: 'file: an unknown gate', file: 'feature-gates: Foo=true\n' },
  { name: 'file: gates as a map', file: 'feature-gates: {Foo: true}\n' },
  { name: 'file: state', file: 'initial-cluster-state: foo\n' },
  { name: 'file: heartbeat', file: 'heartbeat-interval: 0\n' },
  { name: 'file: level', file: 'log-level: foo\n' },
  {
    name: 'file: cors',
    file: 'cors: "http://127.0.0.1:80"\n',
  },
  {
    name: 'file: bad cors',
    differs: { why: 'no panic for a wrong value', to: { end: 1, msg: 'failed to verify flags' } },
    file: 'cors: "http://a"\n',
  },
  { name: 'file: security map', file: 'client-transport-security:\n  cert-file: 5\n' },
  { name: 'file: security as text', file: 'client-transport-security: foo\n' },
  {
    name: 'file: socket options',
    file: 'socket-options:\n  reuse-port: true\n',
  },
  { name: 'file: socket options wrong', file: 'socket-options:\n  reuse-port: 1\n' },
  { name: 'file: discovery', file: 'initial-cluster: ""\ndiscovery-config:\n  token: x\n' },
  {
    name: 'file: discovery durations',
    differs: {
      why: 'a shorter form of this key is read too',
      to: { end: 1, msg: 'failed to verify flags' },
    },
    file: 'discovery-config:\n  dial-timeout: 1s\n',
  },
  {
    name: 'file: discovery two ways',
    differs: {
      why: 'a shorter form of this key is read too',
      to: { end: 1, msg: 'failed to verify flags' },
    },
    file: 'discovery-config:\n  token: x\n  endpoints: [http://127.0.0.1:1]\n',
  },
  { name: 'file: retention as number', file: 'auto-compaction-retention: 1\n' },
  { name: 'file: null', file: 'snapshot-count: null\n' },
  { name: 'file: twice', file: 'snapshot-count: 1\nsnapshot-count: 2\n' },
  { name: 'file: rotation', file: 'enable-log-rotation: true\nlog-outputs: [stderr]\n' },
  {
    name: 'file: listen without advertise',
    bare: true,
    file:
      'data-dir: {dir}/data\nlisten-client-urls: http://127.0.0.1:{c}\n' +
      'listen-peer-urls: http://127.0.0.1:{p}\n',
  },
];

const security: readonly FlagCase[] = [
  { name: 'TLS version', args: ['--tls-min-version=TLS9'] },
  { name: 'TLS versions crossed', args: ['--tls-min-version=TLS1.3', '--tls-max-version=TLS1.2'] },
  {
    name: 'cipher suites with TLS 1.3 alone',
    args: ['--tls-min-version=TLS1.3', '--cipher-suites=TLS_AES_128_GCM_SHA256'],
  },
  { name: 'an unknown cipher suite', args: ['--cipher-suites=foo'] },
  {
    name: 'https without a certificate',
    args: [
      '--listen-client-urls=https://127.0.0.1:{x}',
      '--advertise-client-urls=https://127.0.0.1:{x}',
    ],
  },
  {
    name: 'peers by https without a certificate',
    args: ['--listen-peer-urls=https://127.0.0.1:{x}'],
  },
  {
    name: 'metrics by https without a certificate',
    args: ['--listen-metrics-urls=https://127.0.0.1:{x}'],
  },
  { name: 'metrics on a name', args: ['--listen-metrics-urls=http://example.com:1'] },
  { name: 'half of a pair', args: ['--cert-file={dir}/none'] },
  { name: 'half of a pair of peers', args: ['--peer-key-file={dir}/none'] },
  {
    name: 'certificates of peers that are not there',
    args: ['--peer-cert-file={dir}/none', '--peer-key-file={dir}/none'],
  },
  { name: 'authorities of peers that are not there', args: ['--peer-trusted-ca-file={dir}/none'] },
  { name: 'half of a pair for calls to peers', args: ['--peer-client-cert-file={dir}/none'] },
  {
    name: 'certificates that are not there, and nobody to show them to',
    args: ['--cert-file={dir}/none', '--key-file={dir}/none'],
  },
  {
    name: 'common names and host names',
    args: ['--peer-cert-allowed-cn=a', '--peer-cert-allowed-hostname=b'],
  },
  { name: 'an unknown token', args: ['--auth-token=foo'] },
  { name: 'jwt without a key', args: ['--auth-token=jwt'] },
  { name: 'jwt with a bad option', args: ['--auth-token=jwt,pub-key'] },
  {
    name: 'jwt with a key that is not there',
    args: ['--auth-token=jwt,pub-key={dir}/none,sign-method=RS256'],
  },
  { name: 'an odd cost', args: ['--bcrypt-cost=99'], logs: 'use default bcrypt cost' },
  { name: 'auto TLS', args: ['--auto-tls', '--peer-auto-tls', '--self-signed-cert-validity=2'] },
  { name: 'metrics of another kind', args: ['--metrics=foo'] },
  { name: 'a list of hosts', args: ['--host-whitelist=a,b', '--cors=http://127.0.0.1:80'] },
  { name: 'HTTP of its own', args: ['--listen-client-http-urls=http://127.0.0.1:{x}'] },
];

/** METASTORE_FLAG_CASES, a regular expression, chooses some of them by name. */
const chosen = new RegExp(process.env.METASTORE_FLAG_CASES ?? '');

export const flagCases: readonly FlagCase[] = [
  ...flagSyntax,
  ...environment,
  ...together,
  ...security,
  ...files,
].filter(({ name }) => chosen.test(name));
