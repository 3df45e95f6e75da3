// The table of flags, third part: security, authentication, logging and monitoring.
// Names and defaults are those of etcd 3.7.

import { accepted, effective, type FlagRow, ignored, later } from '../row.js';
import { originsProblem } from '../values/urls.js';

function clientTls(name: string, kind: 'string' | 'bool' | 'list', key: string | null): FlagRow {
  return later(name, kind, kind === 'bool' ? 'false' : '', 'TLS towards clients', {
    configKey: key === null ? null : `client-transport-security.${key}`,
  });
}

function peerTls(name: string, kind: 'string' | 'bool' | 'list', key: string | null): FlagRow {
  return later(`peer-${name}`, kind, kind === 'bool' ? 'false' : '', 'TLS between members', {
    configKey: key === null ? null : `peer-transport-security.${key}`,
  });
}

const noTls = 'there is no TLS yet';

export const securityFlags: readonly FlagRow[] = [
  clientTls('cert-file', 'string', 'cert-file'),
  clientTls('key-file', 'string', 'key-file'),
  clientTls('client-cert-auth', 'bool', 'client-cert-auth'),
  clientTls('client-cert-file', 'string', 'client-cert-file'),
  clientTls('client-key-file', 'string', 'client-key-file'),
  clientTls('client-crl-file', 'string', null),
  clientTls('client-cert-allowed-hostname', 'list', 'allowed-hostname'),
  clientTls('trusted-ca-file', 'string', 'trusted-ca-file'),
  clientTls('auto-tls', 'bool', 'auto-tls'),
  peerTls('cert-file', 'string', 'cert-file'),
  peerTls('key-file', 'string', 'key-file'),
  peerTls('client-cert-auth', 'bool', 'client-cert-auth'),
  peerTls('client-cert-file', 'string', 'client-cert-file'),
  peerTls('client-key-file', 'string', 'client-key-file'),
  peerTls('trusted-ca-file', 'string', 'trusted-ca-file'),
  peerTls('cert-allowed-cn', 'list', 'allowed-cn'),
  peerTls('cert-allowed-hostname', 'list', 'allowed-hostname'),
  peerTls('auto-tls', 'bool', 'auto-tls'),
  peerTls('crl-file', 'string', null),
  peerTls('skip-client-san-verification', 'bool', 'skip-client-san-verification'),
  accepted('self-signed-cert-validity', 'uint', '1', noTls),
  later('cipher-suites', 'list', '', 'TLS cipher suites'),
  accepted('tls-min-version', 'string', 'TLS1.2', noTls, { choices: ['TLS1.2', 'TLS1.3'] }),
  accepted('tls-max-version', 'string', '', noTls, { choices: ['', 'TLS1.2', 'TLS1.3'] }),
  effective('cors', 'list', '*', 'origins that browsers may call from', { check: originsProblem }),
  effective('host-whitelist', 'list', '*', 'host names that HTTP requests may use'),
  later('auth-token', 'string', 'simple', 'kind of authentication tokens'),
  accepted('bcrypt-cost', 'uint', '10', 'authentication is not built yet'),
  accepted('auth-token-ttl', 'uint', '300', 'authentication is not built yet'),
];

const noTracing = 'tracing is not built yet';

export const monitoringFlags: readonly FlagRow[] = [
  effective('enable-pprof', 'bool', 'false', 'profiling endpoints'),
  effective('metrics', 'string', 'basic', '`extensive` adds the time of calls by method'),
  effective('logger', 'string', 'zap', 'zap, the only value'),
  effective('log-outputs', 'list', 'default', 'default, stderr, stdout, systemd/journal, or files'),
  effective('log-level', 'string', 'info', 'debug, info, warn, error, panic or fatal'),
  effective('log-format', 'string', 'json', 'json or console'),
  effective('enable-log-rotation', 'bool', 'false', 'set a log file aside when it is large'),
  effective(
    'log-rotation-config-json',
    'string',
    '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    'when, in MB, and how long in days, and how many log files set aside are kept',
  ),
  later('enable-distributed-tracing', 'bool', 'false', 'traces by OTLP'),
  accepted('distributed-tracing-address', 'string', 'localhost:4317', noTracing),
  accepted('distributed-tracing-service-name', 'string', 'etcd', noTracing),
  accepted('distributed-tracing-instance-id', 'string', '', noTracing),
  accepted('distributed-tracing-sampling-rate', 'int', '0', noTracing),
  effective('config-file', 'string', '', 'read everything from this file', { configKey: null }),
  effective('version', 'bool', 'false', 'print the version and end', { configKey: null }),
];

/** Old flags that are still taken, and mean nothing. */
export const ignoredFlags: readonly FlagRow[] = [
  'cluster-active-size',
  'cluster-remove-delay',
  'cluster-sync-interval',
  'config',
  'force',
  'max-result-buffer',
  'max-retry-attempts',
  'peer-heartbeat-interval',
  'peer-election-timeout',
  'retry-interval',
  'snapshot',
  'v',
  'vv',
  'test.coverprofile',
  'test.outputdir',
].map(ignored);
