// Peer URLs as an operator gives them for a new member: what is accepted, and the form in which
// they are stored and enter the member's id. Called by operations.ts.

import { MetaStoreError } from '../../base/errors.js';

const withAuthority = /^(https?):\/\/([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/i;
const socket = /^unixs?:/i;
/** `host:port`; the host may be in brackets, either may be empty. */
const hostAndPort = /^(?:\[[^[\]]*\]|[^:[\]]*):\d*$/;

/** Whether any URL may contain the character, escaped or not. */
function hasControlCharacter(text: string): boolean {
  return [...text].some((char) => char < ' ' || char === '\x7f');
}

/** The URL in the form in which it is stored, or null when it cannot be one of a peer. */
function normalized(text: string): string | null {
  const url = text.trim();
  if (hasControlCharacter(url)) {
    return null;
  }
  if (socket.test(url)) {
    return url.replace(/^[^:]*/, (scheme) => scheme.toLowerCase());
  }
  const match = withAuthority.exec(url);
  if (match === null) {
    return null;
  }
  const [, scheme = '', authority = '', path = ''] = match;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (path !== '' || !hostAndPort.test(host) || /[ <>"\\^`{|}]/.test(host)) {
    return null;
  }
  return scheme.toLowerCase() + url.slice(scheme.length);
}

/**
 * The URLs trimmed and in ascending order: http and https with host and port and without a path,
 * or unix and unixs with anything.
 *
 * @throws MetaStoreError BadMemberUrls
 */
export function checkedPeerUrls(texts: readonly string[]): string[] {
  const urls = texts.map(normalized);
  if (urls.length === 0 || urls.includes(null)) {
    throw MetaStoreError.of('BadMemberUrls');
  }
  // Ids are made of them, so their order is that of bytes everywhere.
  return (urls as string[]).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
