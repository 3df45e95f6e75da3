// Tests of src/app/config/validate.ts, config.ts and feature-gates.ts: rules about flags looked at
// together.

import t from 'tap';

import { planeOptions } from '../../../src/app/compose/transports.js';
import { buildConfig, minLeaseTtlSeconds } from '../../../src/app/config/config.js';
import { planeThreads } from '../../../src/app/config/limits.js';
import { validate } from '../../../src/app/config/validate.js';
import { readConfigFile } from '../../../src/app/flags/config-file.js';
import { enabledGates } from '../../../src/app/flags/feature-gates.js';
import { parseCommandLine } from '../../../src/app/flags/parser.js';
import { resolveFlags } from '../../../src/app/flags/sources.js';
import { flagTable } from '../../../src/app/flags/table.js';
import { tempDir } from '../../support/temp-dir.js';

function flagsOf(...args: string[]) {
  return resolveFlags(parseCommandLine(args, flagTable), {}, flagTable, readConfigFile).flags;
}

function configOf(...args: string[]) {
  const flags = flagsOf(`--data-dir=${tempDir('config')}`, ...args);
  validate(flags);
  return buildConfig(flags, {});
}

t.test('broken rules and their texts', async (t) => {
  const broken: [string[], string][] = [
    [['--heartbeat-interval=0'], '--heartbeat-interval must be >0 (set to 0ms)'],
    [['--election-timeout=0'], '--election-timeout must be >0 (set to 0ms)'],
    [
      ['--heartbeat-interval=300'],
      '--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]',
    ],
    [
      ['--election-timeout=50001'],
      '--election-timeout[50001ms] is too long, and should be set less than 50000ms',
    ],
    [
      ['--listen-client-urls=http://127.0.0.1:1'],
      '--advertise-client-urls is required when --listen-client-urls is set explicitly',
    ],
    [
      ['--listen-client-urls=http://a.example:1'],
      'expected IP in URL for binding (http://a.example:1)',
    ],
    [['--auto-compaction-mode=x'], 'unknown auto-compaction-mode "x"'],
    [['--compact-hash-check-time=0s'], '--compact-hash-check-time must be >0 (set to 0s)'],
    [['--logger=capnslog'], '--logger=capnslog is removed in v3.5'],
    [['--logger=x'], 'unknown logger option "x"'],
    [['--log-format=x'], 'unknown log format: x, supported values json, console'],
    [['--log-outputs=default,stdout'], 'multi logoutput for "default" is not supported yet'],
    [
      ['--feature-gates=LeaseCheckpointPersist=true'],
      'enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint',
    ],
    [
      ['--discovery-token=t', '--discovery-endpoints=a:1', '--initial-cluster=default=http://b:1'],
      'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", ' +
        '"discovery-endpoints" or "discovery-srv"',
    ],
    [['--discovery-token=t'], 'both --discovery-token and --discovery-endpoints must be set'],
    [
      ['--discovery-endpoints=127.0.0.1:1'],
      'both --discovery-token and --discovery-endpoints must be set',
    ],
    [
      ['--raft-max-message-bytes=0'],
      '--raft-max-message-bytes must be from 1 to 33554432 (set to 0)',
    ],
    [
      ['--grpc-stream-window-bytes=100'],
      '--grpc-stream-window-bytes must be from 65535 to 2147483647 (set to 100)',
    ],
    [['--data-plane-threads=5'], '--data-plane-threads must be from 1 to 4 (set to 5)'],
    [['--auto-compaction-mode='], 'undefined auto-compaction-mode'],
    [
      ['--discovery-fallback=proxy'],
      `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`,
    ],
    [
      ['--enable-log-rotation', '--log-outputs=stderr'],
      '--log-outputs requires a single file path when --log-rotate-config-json is defined',
    ],
    [
      ['--enable-log-rotation', '--log-outputs=/a', '--log-rotation-config-json=x'],
      "improperly formatted log rotation config: invalid character 'x' looking for beginning of " +
        'value',
    ],
    [
      ['--enable-log-rotation', '--log-outputs=/a', '--log-rotation-config-json={"maxage":1.5}'],
      'invalid log rotation config: json: cannot unmarshal number 1.5 into Go struct field ' +
        'logRotationConfig.Logger.maxage of type int',
    ],
    [
      ['--listen-peer-urls=http://a.example:1'],
      'expected IP in URL for binding (http://a.example:1)',
    ],
    [
      ['--initial-advertise-peer-urls=http://:1'],
      '--initial-advertise-peer-urls "http://:1" must be "host:port" ' +
        '(unexpected empty host (http://:1))',
    ],
    [
      ['--advertise-client-urls=http://:1'],
      '--advertise-client-urls "http://:1" must be in the format "host:port", ' +
        '"unix:/path/to/socket" or "unixs:/path/to/socket" (unexpected empty host (http://:1))',
    ],
    [
      ['--tls-min-version=TLS1.3', '--tls-max-version=TLS1.2'],
      'min version (TLS1.3) is greater than max version (TLS1.2)',
    ],
    [['--tls-min-version=TLS9'], 'unexpected TLS version "TLS9" (must be one of: TLS1.2, TLS1.3)'],
    [['--tls-max-version=x'], 'unexpected TLS version "x" (must be one of: TLS1.2, TLS1.3)'],
    [
      ['--tls-min-version=TLS1.3', '--cipher-suites=TLS_AES_128_GCM_SHA256'],
      'cipher suites cannot be configured when only TLS1.3 is enabled',
    ],
  ];
  for (const [args, message] of broken) {
    t.throws(() => validate(flagsOf(...args)), { name: 'ConfigError', message });
  }
});

t.test('defaults that depend on other flags', async (t) => {
  const config = configOf('--name=x', '--initial-advertise-peer-urls=http://127.0.0.1:5');
  t.same(config.start, {
    name: 'x',
    peerUrls: ['http://127.0.0.1:5'],
    request: {
      kind: 'new',
      members: [{ name: 'x', peerUrls: ['http://127.0.0.1:5'] }],
      token: 'etcd-cluster',
    },
  });
  t.match(config.listen.peerUrls, [{ host: 'localhost', port: 2380 }]);
  t.equal(config.member.core.engine, 'rocksdb');
  t.equal(config.member.core.quotaBytes, 2 ** 31);
  t.equal(config.member.core.minLeaseTtlSeconds, 2);
  t.equal(config.member.electionTicks, 10);
  t.equal(config.member.requestTimeoutMs, 7000);
  t.equal(config.grpc.maxReceiveBytes, 2_097_152);
  t.equal(config.member.leaseCheckpointIntervalMs, null);
  t.equal(configOf('--quota-backend-bytes=-1').member.core.quotaBytes, -1);
  t.equal(configOf('--quota-backend-bytes=53248').member.core.quotaBytes, 53248);
  t.equal(configOf('--watch-progress-notify-interval=1ms').member.core.watchProgressNotifyMs, 100);
  t.ok(configOf('--feature-gates=LeaseCheckpoint=true').member.leaseCheckpointIntervalMs);
});

t.test('what carries gRPC of clients, and the settings that it gets', async (t) => {
  t.equal(configOf().clientTransport, 'native');
  t.equal(configOf('--client-transport=grpc-js').clientTransport, 'grpc-js');
  t.throws(() => flagsOf('--client-transport=tcp'), /invalid value "tcp" for .*client-transport/);
  t.throws(() => flagsOf('--data-plane-threads=-1'), /invalid value "-1"/);
  const fitting = [1, 2, 3, 5, 64].map((processors) => planeThreads(flagsOf(), processors));
  t.same(fitting, [1, 1, 2, 4, 4]);
  t.equal(planeThreads(flagsOf('--data-plane-threads=3'), 1), 3);
  const set = [
    '--grpc-keepalive-interval=3s',
    '--grpc-keepalive-timeout=4s',
    '--grpc-keepalive-min-time=1s',
    '--grpc-idle-timeout=6s',
    '--grpc-max-receive-bytes=7000',
    '--grpc-max-send-bytes=8000',
    '--grpc-stream-window-bytes=90000',
    '--grpc-connection-window-bytes=100000',
    '--max-concurrent-streams=11',
  ];
  t.match(planeOptions(2, configOf(...set).grpc), {
    lanes: 2,
    keepAliveIntervalMs: 3000,
    keepAliveTimeoutMs: 4000,
    minPingMs: 1000,
    idleMs: 6000,
    maxReceiveBytes: 7000,
    maxSendBytes: 8000,
    streamWindowBytes: 90_000,
    connectionWindowBytes: 100_000,
    maxConcurrentStreams: 11,
  });
  const plain = planeOptions(1, configOf('--grpc-keepalive-timeout=0').grpc);
  t.match(plain, {
    keepAliveIntervalMs: 0,
    streamWindowBytes: 65_535,
    connectionWindowBytes: 2 ** 20,
    maxSendBytes: 0,
    idleMs: 0,
  });
});

t.test('the shortest lease outlives the loss of a leader', async (t) => {
  t.equal(minLeaseTtlSeconds(100, 1000), 2);
  t.equal(minLeaseTtlSeconds(500, 5000), 8);
  t.equal(minLeaseTtlSeconds(10, 100), 1);
});

t.test('feature gates by name, by stage and by default', async (t) => {
  t.same([...enabledGates('')], ['TxnModeWriteWithSharedBuffer', 'FastLeaseKeepAlive']);
  t.ok(enabledGates('AllAlpha=true').has('LeaseCheckpoint'));
  t.notOk(enabledGates('AllAlpha=true,LeaseCheckpoint=false').has('LeaseCheckpoint'));
  t.notOk(enabledGates('AllBeta=false').has('FastLeaseKeepAlive'));
});
