// URLs of listeners and of what is advertised: `http://host:port`, or `unix://` with anything
// after. Read by the flags when they are parsed and by the configuration when listeners are opened.

export interface ServiceUrl {
  /** As it was written, but for the scheme, which is in lower case. */
  readonly text: string;
  readonly scheme: 'http' | 'https' | 'unix' | 'unixs';
  /** Host without brackets; '' for sockets. */
  readonly host: string;
  readonly port: number;
  /** File of a socket; '' for hosts. */
  readonly path: string;
}

const SCHEMES = ['http', 'https', 'unix', 'unixs'] as const;

/** Reads a URL; the text says what is wrong with it otherwise. */
export function parseUrl(text: string): ServiceUrl | string {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  const scheme = SCHEMES.find((known) => known === match?.[1]?.toLowerCase());
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text) && /^[^/]*:/.test(text)) {
    const reason = text.startsWith(':')
      ? 'missing protocol scheme'
      : 'first path segment in URL cannot contain colon';
    return `parse ${JSON.stringify(text)}: ${reason}`;
  }
  if (match === null || scheme === undefined) {
    return `URL scheme must be http, https, unix, or unixs: ${text}`;
  }
  const rest = match[2] ?? '';
  if (scheme === 'unix' || scheme === 'unixs') {
    return { text: `${scheme}://${rest}`, scheme, host: '', port: 0, path: rest };
  }
  const address = /^(?:\[([^\]]+)\]|([^:/]*)):(\d+)(\/.*)?$/.exec(rest);
  const port = Number(address?.[3]);
  if (address === null || port > 65535) {
    return `URL address does not have the form "host:port": ${text}`;
  }
  if (address[4] !== undefined) {
    return `URL must not contain a path: ${text}`;
  }
  const host = address[1] ?? address[2] ?? '';
  return { text: `${scheme}://${rest}`, scheme, host, port, path: '' };
}

/** What is wrong with a comma list of URLs, or null. */
export function urlsProblem(list: string): string | null {
  for (const text of list.split(',')) {
    const url = parseUrl(text.trim());
    if (typeof url === 'string') {
      return url;
    }
  }
  return null;
}

/** What is wrong with a list of origins, or null: `*` alone, or URLs. */
export function originsProblem(list: string): string | null {
  return list === '' || list === '*' ? null : urlsProblem(list);
}
