// The table of flags, third part: security, authentication, logging and monitoring.
// Names and defaults are those of etcd 3.7.

import { effective, type FlagRow, ignored } from '../row.js';
import { originsProblem } from '../values/urls.js';

type Kind = 'string' | 'bool' | 'list';

function clientTls(name: string, kind: Kind, key: string | null, help: string): FlagRow {
  return effective(name, kind, kind === 'bool' ? 'false' : '', help, {
    configKey: key === null ? null : `client-transport-security.${key}`,
  });
}

function peerTls(name: string, kind: Kind, key: string | null, help: string): FlagRow {
  return effective(`peer-${name}`, kind, kind === 'bool' ? 'false' : '', help, {
    configKey: key === null ? null : `peer-transport-security.${key}`,
  });
}

const tlsFlags: readonly FlagRow[] = [
  clientTls('cert-file', 'string', 'cert-file', 'certificate that clients are shown'),
  clientTls('key-file', 'string', 'key-file', 'its key'),
  clientTls('client-cert-auth', 'bool', 'client-cert-auth', 'clients must show a certificate'),
  clientTls('client-cert-file', 'string', 'client-cert-file', 'certificate for calls to itself'),
  clientTls('client-key-file', 'string', 'client-key-file', 'its key'),
  clientTls('client-crl-file', 'string', null, 'DER list of revoked certificates of clients'),
  clientTls(
    'client-cert-allowed-hostname',
    'list',
    'allowed-hostname',
    'names of which a client certificate must have one',
  ),
  clientTls('trusted-ca-file', 'string', 'trusted-ca-file', 'authorities of clients'),
  clientTls('auto-tls', 'bool', 'auto-tls', 'make a certificate for clients'),
  peerTls('cert-file', 'string', 'cert-file', 'certificate that other members are shown'),
  peerTls('key-file', 'string', 'key-file', 'its key'),
  peerTls('client-cert-auth', 'bool', 'client-cert-auth', 'members must show a certificate'),
  peerTls('client-cert-file', 'string', 'client-cert-file', 'certificate for calls to members'),
  peerTls('client-key-file', 'string', 'client-key-file', 'its key'),
  peerTls('trusted-ca-file', 'string', 'trusted-ca-file', 'authorities of other members'),
  peerTls('cert-allowed-cn', 'list', 'allowed-cn', 'common names that members may have'),
  peerTls(
    'cert-allowed-hostname',
    'list',
    'allowed-hostname',
    'names of which a certificate of a member must have one',
  ),
  peerTls('auto-tls', 'bool', 'auto-tls', 'make a certificate for other members'),
  peerTls('crl-file', 'string', null, 'DER list of revoked certificates of members'),
  peerTls(
    'skip-client-san-verification',
    'bool',
    'skip-client-san-verification',
    'members need not have an address that their certificate names',
  ),
  effective('self-signed-cert-validity', 'uint', '1', 'years that made certificates are valid'),
  effective('cipher-suites', 'list', '', 'cipher suites of TLS 1.2, by their IANA names'),
  effective('tls-min-version', 'string', 'TLS1.2', 'TLS1.2 or TLS1.3'),
  effective('tls-max-version', 'string', '', 'TLS1.2 or TLS1.3; by default the newest'),
];

export const securityFlags: readonly FlagRow[] = [
  ...tlsFlags,
  effective('cors', 'list', '*', 'origins that browsers may call from', { check: originsProblem }),
  effective('host-whitelist', 'list', '*', 'host names that HTTP requests may use'),
  effective('auth-token', 'string', 'simple', 'simple, or jwt with its options behind commas'),
  effective('bcrypt-cost', 'uint', '10', 'of hashing passwords, from 4 to 31'),
  effective('auth-token-ttl', 'uint', '300', 'seconds for which a simple token lives unused'),
];

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
  effective('enable-distributed-tracing', 'bool', 'false', 'send traces of calls by OTLP'),
  effective('distributed-tracing-address', 'string', 'localhost:4317', 'where the collector is'),
  effective(
    'distributed-tracing-service-name',
    'string',
    'etcd',
    'name of the service in traces, the same for all members',
  ),
  effective('distributed-tracing-instance-id', 'string', '', 'tells members apart in traces'),
  effective(
    'distributed-tracing-sampling-rate',
    'int',
    '0',
    'of a million calls, how many are traced whose callers do not say',
  ),
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
