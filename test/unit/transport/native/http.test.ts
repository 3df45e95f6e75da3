// Tests of src/transport/native/http.ts: requests that are not gRPC, on a connection of the plane,
// as the handlers of HTTP see them and as their answers go back.

import t from 'tap';

import type { HttpHandler, HttpRequest } from '../../../../src/base/call.js';
import { sleep, waitFor } from '../../../support/wait.js';
import { openServer } from './double.js';

const head = {
  method: 'POST',
  path: '/v3/kv/range?x=1',
  authority: 'host:1',
  headers: ['content-type', 'application/json', 'accept', 'a', 'accept', 'b', 'host', 'own'],
};

function serving(http: HttpHandler) {
  const opened = openServer({}, { http });
  opened.plane.tell((to) => to.http(3, 1, head));
  return opened.plane;
}

t.test('a request has its head and its body, and gets an answer', async (t) => {
  let seen: HttpRequest | null = null;
  const plane = serving(async (request) => {
    seen = request;
    const body = await request.body(100);
    return { status: 201, headers: { 'X-Test': 'yes', Connection: 'close' }, body: `<${body}>` };
  });
  plane.tell((to) => to.message(3, Buffer.from('ab')));
  await waitFor('the wish for more', () => plane.of('ask').length > 0);
  plane.tell(
    (to) => to.message(3, Buffer.from('cd')),
    (to) => to.halfClose(3),
  );
  await waitFor('the answer', () => plane.of('httpEnd').length > 0);
  t.same(plane.of('httpRespond'), [[3, 201, ['x-test', 'yes', 'content-length', '6']]]);
  t.same(plane.of('httpSend'), [[3, '<abcd>']]);
  t.same(plane.of('httpEnd'), [[3]]);
  t.same(plane.of('httpReset'), []);
  const { method, url, headers, secure } = seen as unknown as HttpRequest;
  t.same([method, url, secure], ['POST', '/v3/kv/range?x=1', true]);
  t.same(headers, { host: 'own', 'content-type': 'application/json', accept: 'a, b' });
});

t.test('a body that is too large is left alone', async (t) => {
  const plane = serving(async ({ body }) => {
    const read = await body(3);
    return { status: read === null ? 413 : 200, headers: {}, body: '' };
  });
  plane.tell((to) => to.message(3, Buffer.from('abcdef')));
  await waitFor('the answer', () => plane.of('httpEnd').length > 0);
  t.equal(plane.of('httpRespond')[0]?.[1], 413);
  plane.tell((to) => to.message(3, Buffer.from('more that came meanwhile')));
});

t.test('a handler that fails is answered for', async (t) => {
  const plane = serving(() => Promise.reject(new Error('bad')));
  await waitFor('the answer', () => plane.of('httpEnd').length > 0);
  t.equal(plane.of('httpRespond')[0]?.[1], 500);
});

t.test('an answer in pieces waits for the client, and is left when it goes', async (t) => {
  let made = 0;
  let ended = false;
  async function* pieces() {
    try {
      for (; made < 1000; made++) {
        yield Buffer.alloc(64 * 1024);
      }
    } finally {
      ended = true;
    }
  }
  const plane = serving(async () => ({ status: 200, headers: {}, body: pieces() }));
  await sleep(50);
  const before = made;
  t.ok(before < 20, `${before} pieces were made ahead`);
  plane.tell((to) => to.taken(3, plane.of('httpSend').length));
  await waitFor('more pieces', () => made > before);
  t.notOk(ended);
  plane.tell((to) => to.ended(3));
  await waitFor('the end of the pieces', () => ended);
  t.same(plane.of('httpEnd'), []);
  t.same(plane.of('httpReset'), []);
});

t.test('pieces that break off reset the stream', async (t) => {
  async function* pieces() {
    yield 'one';
    throw new Error('broken');
  }
  const plane = serving(async () => ({ status: 200, headers: {}, body: pieces() }));
  await waitFor('the reset', () => plane.of('httpReset').length > 0);
  t.same(plane.of('httpSend'), [[3, 'one']]);
  t.same(plane.of('httpEnd'), []);
});

t.test('whoever reads a body hears of a client that goes', async (t) => {
  const heard: string[] = [];
  const plane = serving(async ({ body, signal }) => {
    signal.addEventListener('abort', () => heard.push('aborted'));
    await body(100).catch((error: Error) => heard.push(error.message));
    return { status: 200, headers: {}, body: '' };
  });
  plane.tell((to) => to.ended(3));
  await waitFor('both', () => heard.length === 2);
  t.same(heard.sort(), ['aborted', 'the client went away in the middle of a body']);
  t.same(plane.said, []);
});

t.test('a body in chunks, as it comes', async (t) => {
  const plane = serving(async ({ chunks }) => {
    const got: string[] = [];
    for await (const chunk of chunks()) {
      got.push(String(chunk));
    }
    return { status: 200, headers: {}, body: got.join('|') };
  });
  plane.tell((to) => to.message(3, Buffer.from('a')));
  await waitFor('the wish for more', () => plane.of('ask').length > 0);
  plane.tell(
    (to) => to.message(3, Buffer.from('b')),
    (to) => to.halfClose(3),
  );
  await waitFor('the answer', () => plane.of('httpEnd').length > 0);
  t.same(plane.of('httpSend'), [[3, 'a|b']]);
});
