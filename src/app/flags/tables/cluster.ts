// The table of flags, second part: the cluster that a member makes or joins, and how it compacts.
// Names and defaults are those of etcd 3.7.

import { accepted, effective, type FlagRow } from '../row.js';

const discoveryHelp: Readonly<Record<string, string>> = {
  token: 'its name in the cluster that keeps the registry',
  endpoints: 'client addresses of the cluster that keeps the registry',
  'dial-timeout': 'time that a connection may take to be made',
  'request-timeout': 'time that a request may take',
  'keepalive-time': 'idle time before a ping',
  'keepalive-timeout': 'time that a ping may take',
  user: 'user, or user:password',
  password: 'password of the user',
  'insecure-transport': 'clear text where no scheme and no file says otherwise',
  'insecure-skip-tls-verify': 'take any certificate of the other cluster',
  cert: 'certificate of this member for TLS',
  key: 'key of that certificate',
  cacert: 'authorities that the other cluster is verified by',
};

function discovery(
  name: string,
  kind: 'string' | 'duration' | 'list',
  defaultText: string,
  key: string,
): FlagRow {
  const help = `discovery of a new cluster: ${discoveryHelp[name] ?? name}`;
  return effective(`discovery-${name}`, kind, defaultText, help, {
    configKey: `discovery-config.client.${key}`,
  });
}

function discoveryTls(name: string, kind: 'string' | 'bool', defaultText: string): FlagRow {
  const help = `discovery of a new cluster: ${discoveryHelp[name] ?? name}`;
  return effective(`discovery-${name}`, kind, defaultText, help, {
    configKey: `discovery-config.client.secure.${name}`,
  });
}

export const clusterFlags: readonly FlagRow[] = [
  effective(
    'initial-advertise-peer-urls',
    'urls',
    'http://localhost:2380',
    'peer URLs of this member, which its id is made of',
  ),
  effective('initial-cluster', 'string', '', 'members of a new cluster, as name=url,name=url'),
  effective('initial-cluster-state', 'string', 'new', 'new or existing', {
    choices: ['new', 'existing'],
  }),
  effective('initial-cluster-token', 'string', 'etcd-cluster', 'enters the ids of a new cluster'),
  effective(
    'advertise-client-urls',
    'urls',
    'http://localhost:2379',
    'client URLs that are told to the cluster',
  ),
  effective('discovery-token', 'string', '', `discovery of a new cluster: ${discoveryHelp.token}`, {
    configKey: 'discovery-config.token',
  }),
  discovery('endpoints', 'list', '', 'endpoints'),
  discovery('dial-timeout', 'duration', '2s', 'dial-timeout'),
  discovery('request-timeout', 'duration', '5s', 'request-timeout'),
  discovery('keepalive-time', 'duration', '2s', 'keepalive-time'),
  discovery('keepalive-timeout', 'duration', '6s', 'keepalive-timeout'),
  discoveryTls('insecure-transport', 'bool', 'true'),
  discoveryTls('insecure-skip-tls-verify', 'bool', 'false'),
  discoveryTls('cert', 'string', ''),
  discoveryTls('key', 'string', ''),
  discoveryTls('cacert', 'string', ''),
  discovery('user', 'string', '', 'auth.username'),
  discovery('password', 'string', '', 'auth.password'),
  accepted('discovery-fallback', 'string', 'exit', 'there is only one value', {
    configKey: null,
    choices: ['exit', 'proxy'],
  }),
  effective('discovery-srv', 'string', '', 'domain whose DNS SRV records name the members'),
  effective('discovery-srv-name', 'string', '', 'suffix of the service name of SRV records'),
  effective(
    'strict-reconfig-check',
    'bool',
    'true',
    'refuse changes of the membership that put the quorum at risk',
  ),
  effective('pre-vote', 'bool', 'true', 'ask before an election whether it could be won'),
  effective('auto-compaction-retention', 'string', '0', 'history kept by automatic compaction'),
  effective('auto-compaction-mode', 'string', 'periodic', 'periodic or revision'),
  effective('max-learners', 'int', '1', 'learners that the cluster may have at once'),
  accepted('v2-deprecation', 'string', 'write-only', 'there is no v2 data', {
    choices: ['write-only', 'write-only-skip-check', 'write-only-drop-data', 'gone'],
  }),
];
