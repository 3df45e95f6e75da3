// Rules about values of flags that are looked at together. Each gives the text that goes under
// `failed to verify flags`; the first broken rule ends the start.

import { enabledGates } from '../flags/feature-gates.js';
import type { Flags } from '../flags/sources.js';
import { parseUrl, type ServiceUrl } from '../flags/values/urls.js';
import { tlsFlagsProblem } from '../listen/tls.js';
import { limitsProblem } from './limits.js';
import { logProblem } from './log.js';

/** A broken rule; `message` of the log line is `title`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly title: string;

  constructor(text: string, title = 'failed to verify flags') {
    super(text);
    this.title = title;
  }
}

const ELECTION_TIMEOUT_MAX_MS = 50_000;

function checkTimes(flags: Flags): string | null {
  const heartbeat = flags.number('heartbeat-interval');
  const election = flags.number('election-timeout');
  if (heartbeat <= 0) {
    return `--heartbeat-interval must be >0 (set to ${heartbeat}ms)`;
  }
  if (election <= 0) {
    return `--election-timeout must be >0 (set to ${election}ms)`;
  }
  if (heartbeat * 5 > election) {
    return (
      `--election-timeout[${election}ms] should be at least as 5 times as ` +
      `--heartbeat-interval[${heartbeat}ms]`
    );
  }
  return election > ELECTION_TIMEOUT_MAX_MS
    ? `--election-timeout[${election}ms] is too long, and should be set less than 50000ms`
    : null;
}

function checkModes(flags: Flags): string | null {
  const mode = flags.text('auto-compaction-mode');
  if (mode === '') {
    return 'undefined auto-compaction-mode';
  }
  if (mode !== 'periodic' && mode !== 'revision') {
    return `unknown auto-compaction-mode "${mode}"`;
  }
  if (flags.number('compact-hash-check-time') <= 0) {
    return '--compact-hash-check-time must be >0 (set to 0s)';
  }
  const gates = enabledGates(flags.text('feature-gates'));
  if (gates.has('LeaseCheckpointPersist') && !gates.has('LeaseCheckpoint')) {
    return (
      'enabling feature gate LeaseCheckpointPersist requires enabling feature gate ' +
      'LeaseCheckpoint'
    );
  }
  return null;
}

const SAMPLING_RATE_MAX = 1_000_000;

function checkTracing(flags: Flags): string | null {
  const rate = flags.number('distributed-tracing-sampling-rate');
  if (!flags.bool('enable-distributed-tracing') || (rate >= 0 && rate <= SAMPLING_RATE_MAX)) {
    return null;
  }
  const reason = rate < 0 ? 'positive' : `less than ${SAMPLING_RATE_MAX}`;
  return (
    // The word is misspelt in what tools look for.
    `distributed tracing configurition is not valid: (tracing sampling rate must be ${reason})`
  );
}

function checkDiscovery(flags: Flags): string | null {
  const endpoints = flags.list('discovery-endpoints').length > 0;
  const ways = [
    flags.given('initial-cluster') && flags.text('initial-cluster') !== '',
    endpoints,
    flags.text('discovery-srv') !== '',
  ];
  if (ways.filter(Boolean).length > 1) {
    return (
      'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", ' +
      '"discovery-endpoints" or "discovery-srv"'
    );
  }
  if (flags.text('discovery-fallback') === 'proxy') {
    return `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`;
  }
  if (endpoints !== (flags.text('discovery-token') !== '')) {
    return 'both --discovery-token and --discovery-endpoints must be set';
  }
  return null;
}

/** URLs of a flag; its texts have been checked when it was read. */
export function urlsOf(flags: Flags, name: string): ServiceUrl[] {
  return flags.list(name).map((text) => {
    const url = parseUrl(text);
    if (typeof url === 'string') {
      throw new ConfigError(url);
    }
    return url;
  });
}

function isIpOrLocalhost(host: string): boolean {
  return host === '' || host === 'localhost' || /^[\d.]+$/.test(host) || host.includes(':');
}

/** Flags whose URLs are listened on, in the order in which they are looked at. */
const listenFlags = [
  'listen-peer-urls',
  'listen-client-urls',
  'listen-client-http-urls',
  'listen-metrics-urls',
] as const;

function checkUrls(flags: Flags): string | null {
  for (const name of listenFlags) {
    for (const url of urlsOf(flags, name)) {
      if (url.path === '' && !isIpOrLocalhost(url.host)) {
        return `expected IP in URL for binding (${url.text})`;
      }
    }
  }
  for (const url of urlsOf(flags, 'advertise-client-urls')) {
    if (url.host === '' && url.path === '') {
      return (
        `--advertise-client-urls "${flags.list('advertise-client-urls').join(',')}" must be in ` +
        `the format "host:port", "unix:/path/to/socket" or "unixs:/path/to/socket" ` +
        `(unexpected empty host (${url.text}))`
      );
    }
  }
  for (const url of urlsOf(flags, 'initial-advertise-peer-urls')) {
    if (url.host === '' && url.path === '') {
      const given = flags.list('initial-advertise-peer-urls').join(',');
      return (
        `--initial-advertise-peer-urls "${given}" must be "host:port" ` +
        `(unexpected empty host (${url.text}))`
      );
    }
  }
  return null;
}

function check(flags: Flags, rules: readonly ((flags: Flags) => string | null)[]): void {
  for (const rule of rules) {
    const problem = rule(flags);
    if (problem !== null) {
      throw new ConfigError(problem);
    }
  }
}

/** @throws ConfigError with the first rule that is broken */
export function validate(flags: Flags): void {
  check(flags, [logProblem, checkUrls, checkDiscovery, checkTimes]);
  const isUnsaid = flags.given('listen-client-urls') && !flags.given('advertise-client-urls');
  if (isUnsaid && !flags.fromFile) {
    throw new ConfigError(
      '--advertise-client-urls is required when --listen-client-urls is set explicitly',
      'advertise client URLs are not set',
    );
  }
  check(flags, [checkModes, checkTracing, limitsProblem, tlsFlagsProblem]);
}
