// How etcd's own messages call the places and types of a configuration file. Tools and people look
// these texts up, so a wrong value is described by the same path. Called by config-file.ts.

import type { FlagRow } from './row.js';

/** Keys that a file holds as lists; other lists are comma-joined strings in it. */
const listKeys = new Set([
  'cipher-suites',
  'log-outputs',
  'client-cert-allowed-hostname',
  'peer-cert-allowed-cn',
  'peer-cert-allowed-hostname',
  'discovery-endpoints',
]);

/** Top-level keys that are read in a second step. */
const secondStep = new Set([
  'listen-peer-urls',
  'listen-client-urls',
  'listen-client-http-urls',
  'initial-advertise-peer-urls',
  'advertise-client-urls',
  'cors',
  'host-whitelist',
  'feature-gates',
]);

const wideTypes: Readonly<Record<string, string>> = {
  'snapshot-count': 'uint64',
  'snapshot-catchup-entries': 'uint64',
  'quota-backend-bytes': 'int64',
};

const kindTypes: Readonly<Record<string, string>> = {
  bool: 'bool',
  int: 'int',
  uint: 'uint',
  uint32: 'uint32',
  float: 'float64',
  duration: 'time.Duration',
};

/** Maps by their dotted path: who holds them, and their type. */
const maps: Readonly<Record<string, readonly [string, string]>> = {
  'client-transport-security': ['configYAML.configJSON', 'embed.securityConfig'],
  'peer-transport-security': ['configYAML.configJSON', 'embed.securityConfig'],
  'socket-options': ['configYAML.Config', 'transport.SocketOpts'],
  'discovery-config': ['configYAML.Config', 'v3discovery.DiscoveryConfig'],
  'discovery-config.client': ['DiscoveryConfig.Config', 'clientv3.ConfigSpec'],
  'discovery-config.client.secure': ['ConfigSpec.Config', 'clientv3.SecureConfig'],
  'discovery-config.client.auth': ['ConfigSpec.Config', 'clientv3.AuthConfig'],
};

/** The type of a flag's value in a file. */
export function typeOf(row: FlagRow): string {
  if (listKeys.has(row.name)) {
    return '[]string';
  }
  return wideTypes[row.name] ?? kindTypes[row.kind] ?? 'string';
}

/** The place of a map in a file, and its type. */
export function mapType(keys: readonly string[]): { place: string; type: string } {
  const path = keys.join('.');
  const [holder, type] = maps[path] ?? ['configYAML.Config', 'map'];
  return { place: `${holder}.${path}`, type };
}

/** The place of a flag's value in a file. */
export function pathOf(row: FlagRow): string {
  const path = row.configKey ?? row.name;
  const holder = path.slice(0, Math.max(0, path.lastIndexOf('.')));
  if (holder === '') {
    return `configYAML.${secondStep.has(path) ? 'configJSON' : 'Config'}.${path}`;
  }
  const type = maps[holder]?.[1].split('.')[1] ?? 'Config';
  return `${type}.${type === 'securityConfig' ? 'configJSON' : 'Config'}.${path}`;
}

/** What JSON calls the kind of a value. */
export function jsonType(value: unknown): string {
  if (Array.isArray(value)) {
    return 'array';
  }
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
