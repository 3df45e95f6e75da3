// Paths of requests as they should have been written: without empty and dotted segments. Who asks
// for another form is sent to that one. Called by the router.

import type { HttpRequest, HttpResponse } from '../../base/call.js';

/** The path without `//`, `.` and `..`; a slash at its end stays. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') {
      kept.pop();
    } else if (segment !== '' && segment !== '.') {
      kept.push(segment);
    }
  }
  const isFolder = /\/\.{0,2}$/.test(path) && kept.length > 0;
  return `/${kept.join('/')}${isFolder ? '/' : ''}`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

/** Sends a client to another path with the query that it has. */
export function redirected({ url, method }: HttpRequest, path: string): HttpResponse {
  const question = url.indexOf('?');
  const location = encodeURI(path) + (question < 0 ? '' : url.slice(question));
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 307, headers: { location }, body: '' };
  }
  const shown = location.replace(/[&<>"']/g, (letter) => escapes[letter] ?? letter);
  const headers = { location, 'content-type': 'text/html; charset=utf-8' };
  return { status: 307, headers, body: `<a href="${shown}">Temporary Redirect</a>.\n\n` };
}
