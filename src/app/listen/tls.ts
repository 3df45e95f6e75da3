// TLS out of flags: which files stand for which side, what flags contradict each other, and the
// certificates that a server makes for itself. Called by the configuration and when ports are
// opened.

import { isIP } from 'node:net';
import { join } from 'node:path';

import type { Logger } from '../../base/log/logger.js';
import { checkCipherSuites } from '../../transport/tls/ciphers.js';
import type { TlsFiles, TlsVersion } from '../../transport/tls/options.js';
import { selfSigned } from '../../transport/tls/self-signed.js';
import type { Flags } from '../flags/sources.js';
import type { ServiceUrl } from '../flags/values/urls.js';

const versions: readonly string[] = ['TLS1.2', 'TLS1.3'];

/** What contradicts itself in the flags, or null. */
export function tlsFlagsProblem(flags: Flags): string | null {
  const min = flags.text('tls-min-version') || 'TLS1.2';
  const max = flags.text('tls-max-version') || 'TLS1.3';
  for (const version of [min, max]) {
    if (!versions.includes(version)) {
      return `unexpected TLS version "${version}" (must be one of: TLS1.2, TLS1.3)`;
    }
  }
  if (min > max) {
    return `min version (${min}) is greater than max version (${max})`;
  }
  return min === 'TLS1.3' && flags.list('cipher-suites').length > 0
    ? 'cipher suites cannot be configured when only TLS1.3 is enabled'
    : null;
}

/** What the flags say of one side. */
export function tlsFilesOf(flags: Flags, side: 'client' | 'peer'): TlsFiles {
  const prefix = side === 'peer' ? 'peer-' : '';
  const text = (name: string) => flags.text(`${prefix}${name}`);
  const isPeer = side === 'peer';
  return {
    certFile: text('cert-file'),
    keyFile: text('key-file'),
    trustedCaFile: text('trusted-ca-file'),
    clientCertAuth: flags.bool(`${prefix}client-cert-auth`),
    crlFile: flags.text(isPeer ? 'peer-crl-file' : 'client-crl-file'),
    allowedCns: isPeer ? named(flags.list('peer-cert-allowed-cn')) : [],
    allowedHostnames: named(
      flags.list(isPeer ? 'peer-cert-allowed-hostname' : 'client-cert-allowed-hostname'),
    ),
    clientCertFile: text('client-cert-file'),
    clientKeyFile: text('client-key-file'),
    autoTls: flags.bool(`${prefix}auto-tls`),
    selfSignedValidityYears: flags.number('self-signed-cert-validity'),
    cipherSuites: named(flags.list('cipher-suites')),
    minVersion: (flags.text('tls-min-version') || 'TLS1.2') as TlsVersion,
    maxVersion: (flags.text('tls-max-version') || 'TLS1.3') as TlsVersion,
    skipClientSanVerification: isPeer && flags.bool('peer-skip-client-san-verification'),
  };
}

function named(list: readonly string[]): readonly string[] {
  return list.filter((name) => name !== '');
}

/** Whether nothing is said of certificates. */
function isEmpty({ certFile, keyFile }: TlsFiles): boolean {
  return certFile === '' && keyFile === '';
}

/**
 * The files that are really used: those given, or automatic ones for the hosts of these URLs.
 *
 * @throws TlsError
 */
export async function prepareTls(
  files: TlsFiles,
  side: 'client' | 'peer',
  urls: readonly ServiceUrl[],
  dataDir: string,
  log: Logger,
): Promise<TlsFiles> {
  checkCipherSuites(files.cipherSuites);
  if (!files.autoTls) {
    logTls(files, side, log);
    return files;
  }
  if (!isEmpty(files)) {
    log.warn(`ignoring ${side} auto TLS since certs given`);
    const given = { ...files, autoTls: false };
    logTls(given, side, log);
    return given;
  }
  const hosts = urls.filter(({ scheme }) => scheme === 'https' || scheme === 'unixs');
  if (hosts.length === 0) {
    return files;
  }
  const folder = join(dataDir, 'fixtures', side);
  const names = hosts.map(({ host, path }) => host || (path.split(':')[0] ?? ''));
  const made = await selfSigned(folder, names, files.selfSignedValidityYears, log);
  const used = { ...files, ...made };
  logTls(used, side, log);
  return used;
}

function logTls(files: TlsFiles, side: 'client' | 'peer', log: Logger): void {
  if (!isEmpty(files)) {
    log.info(`starting with ${side} TLS`, {
      'tls-info':
        `cert = ${files.certFile}, key = ${files.keyFile}, ` +
        `client-cert=${files.clientCertFile}, client-key=${files.clientKeyFile}, ` +
        `trusted-ca = ${files.trustedCaFile}, ` +
        `client-cert-auth = ${files.clientCertAuth}, crl-file = ${files.crlFile}`,
      'cipher-suites': files.cipherSuites,
    });
  }
}

/**
 * The address that connections to other members come from (feature gate SetMemberLocalAddr): the
 * first one of the advertised peer URLs that other hosts can mean; null when there is none.
 */
export function memberLocalAddress(peerUrls: readonly string[], log: Logger): string | null {
  log.info('searching for a suitable member local address in AdvertisePeerURLs', {
    'advertise-peer-urls': peerUrls,
  });
  for (const url of peerUrls) {
    const host = /^https?:\/\/(?:\[([^\]]+)\]|([^:/]+)):\d+/.exec(url)?.slice(1).join('') ?? '';
    const isOwn = /^(?:127\.|0\.0\.0\.0$|::1$|::$)/.test(host);
    if (isIP(host) !== 0 && !isOwn) {
      log.info('setting member local address', { LocalAddr: host });
      return host;
    }
  }
  log.warn('unable to set a member local address due to lack of suitable local addresses', {
    'advertise-peer-urls': peerUrls,
  });
  return null;
}
