// What a peer's certificate says: its common name, its names and addresses, and whether it
// belongs to the address that it came from. Used once per connection.

import { X509Certificate } from 'node:crypto';
import { promises as dns } from 'node:dns';
import { isIP, type Socket } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';

import { bytesOf } from '../../base/bytes.js';
import { TlsError } from './options.js';

/** Names and addresses that a certificate is for. */
export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** Of the certificate's `subjectaltname`, as Node writes it. */
export function alternativeNames(text: string | undefined): AlternativeNames {
  const dnsNames: string[] = [];
  const addresses: string[] = [];
  for (const [, kind, plain, quoted] of (text ?? '').matchAll(
    /(DNS|IP Address):(?:([^",\s]+)|("(?:[^"\\]|\\.)*"))/g,
  )) {
    const name = quoted === undefined ? (plain ?? '') : (JSON.parse(quoted) as string);
    (kind === 'DNS' ? dnsNames : addresses).push(name);
  }
  return { dnsNames, addresses };
}

/** The whole chain that was shown, the peer's own certificate first. */
export function shownChain(socket: TLSSocket): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // The last is its own issuer.
  while (next?.raw !== undefined && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

/** The common name of who is at the other end of a verified connection; null without one. */
export function commonNameOf(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) {
    return null;
  }
  return lastName(socket.getPeerCertificate().subject?.CN);
}

/** The name that counts of a subject's common names, as Node gives them: one, or several. */
export function lastName(names: unknown): string | null {
  const name: unknown = Array.isArray(names) ? names.at(-1) : names;
  return typeof name === 'string' && name !== '' ? name : null;
}

/**
 * Asks for the certificate once instead of at every request: OpenSSL would decode it each time.
 * `isKnown` says whether it may be used to tell who calls.
 */
export function rememberCertificate(socket: TLSSocket, isKnown: boolean): void {
  const certificate = isKnown ? socket.getPeerCertificate() : {};
  Object.defineProperty(socket, 'getPeerCertificate', { value: () => certificate });
}

/** Who may be at the other end beyond being trusted; empty lists allow everybody. */
export interface Allowed {
  readonly allowedCns: readonly string[];
  readonly allowedHostnames: readonly string[];
}

/** What is said of somebody who is trusted and not allowed. */
export const NOT_ALLOWED = 'client certificate authentication failed';

/** Whether a verified certificate is one of those that are allowed. */
export function isAllowed(
  certificate: { readonly subject?: { readonly CN?: unknown }; readonly raw: Buffer },
  { allowedCns, allowedHostnames }: Allowed,
): boolean {
  if (allowedCns.length > 0) {
    return allowedCns.includes(lastName(certificate.subject?.CN) ?? '');
  }
  if (allowedHostnames.length === 0) {
    return true;
  }
  const parsed = new X509Certificate(bytesOf(certificate.raw));
  return allowedHostnames.some((host) =>
    isIP(host) === 0
      ? parsed.checkHost(host, { subject: 'never' }) !== undefined
      : parsed.checkIP(host) !== undefined,
  );
}

function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

function matchesName(name: string, pattern: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
}

/** Whether an address is, by reverse or forward resolution, one of the names; else why not. */
async function resolvesTo(address: string, names: readonly string[]): Promise<true | string> {
  try {
    const found = (await dns.reverse(address)).map((name) => name.replace(/\.$/, ''));
    if (found.some((name) => names.some((pattern) => matchesName(name, pattern)))) {
      return true;
    }
  } catch {
    // Most addresses have no name; the names may have addresses.
  }
  let problem = '';
  for (const name of names.filter((pattern) => !pattern.startsWith('*.'))) {
    try {
      const found = await dns.lookup(name, { all: true });
      if (found.some((entry) => entry.address === address)) {
        return true;
      }
    } catch {
      problem = ` (lookup ${name}: no such host)`;
    }
  }
  return problem;
}

/**
 * That the address which shows a certificate is one of those that the certificate names, when it
 * names any.
 *
 * @throws TlsError
 */
export async function checkAddress(
  remoteAddress: string,
  { dnsNames, addresses }: AlternativeNames,
  raw: Buffer,
): Promise<void> {
  const address = plainAddress(remoteAddress);
  if (addresses.length > 0) {
    if (new X509Certificate(bytesOf(raw)).checkIP(address) !== undefined) {
      return;
    }
    if (dnsNames.length === 0) {
      const named = addresses.join(', ');
      throw new TlsError(`x509: certificate is valid for ${named}, not ${address}`);
    }
  }
  if (dnsNames.length > 0) {
    const found = await resolvesTo(address, dnsNames);
    if (found !== true) {
      const names = dnsNames.map((name) => JSON.stringify(name)).join(' ');
      throw new TlsError(`tls: "${address}" does not match any of DNSNames [${names}]${found}`);
    }
  }
}
