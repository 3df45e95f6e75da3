// Tests of src/transport/native/{server,call}.ts: what calls of the plane are to handlers, and what
// handlers' answers are to the plane.

import t from 'tap';

import type { CallContext, ServerStream } from '../../../../src/base/call.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { sleep } from '../../../support/wait.js';
import { call, openServer } from './double.js';

t.test('a unary call is answered with its message, or its error', async (t) => {
  const seen: unknown[] = [];
  const { plane } = openServer({
    '/s.S/Echo': {
      kind: 'unary',
      handle: async (context, request) => {
        seen.push(context.metadata('token'), context.metadata('none'), context.peer);
        return Buffer.from(`got ${request}`);
      },
    },
    '/s.S/Fail': {
      kind: 'unary',
      handle: () => Promise.reject(MetaStoreError.of('UserEmpty')),
    },
    '/s.S/Throw': { kind: 'unary', handle: () => Promise.reject(new Error('böse\n')) },
  });
  const metadata = ['user-agent', 'x', 'token', 'first', 'token', 'second'];
  plane.tell(call(8, '/s.S/Echo', 'this', metadata));
  plane.tell(call(9, '/s.S/Fail', ''), call(10, '/s.S/Throw', ''));
  await sleep(1);
  t.same(plane.of('reply'), [[8, 'got this']]);
  t.same(plane.of('finish'), [
    [9, 3, 'etcdserver: user name is empty'],
    [10, 2, 'böse\n'],
  ]);
  t.same(seen, ['first', undefined, 'unknown']);
});

t.test('a unary request whose message comes later, comes twice, or not at all', async (t) => {
  let runs = 0;
  const { plane } = openServer({
    '/s.S/Echo': {
      kind: 'unary',
      handle: async (_context, request) => {
        runs += 1;
        return request;
      },
    },
  });
  plane.tell(call(1, '/s.S/Echo', null));
  await sleep(1);
  t.same(plane.said, []);
  const later = (text: string) => Buffer.from(text);
  plane.tell(
    (to) => to.message(1, later('one')),
    (to) => to.message(1, later('two')),
    (to) => to.halfClose(1),
  );
  plane.tell(call(2, '/s.S/Echo', null), (to) => to.halfClose(2));
  await sleep(1);
  t.same(plane.of('reply'), [[1, 'one']]);
  t.equal(runs, 1);
  t.same(plane.of('finish'), [[2, 2, 'EOF']]);
});

t.test('what is no method is told so', async (t) => {
  const { plane } = openServer({ '/a.B/C': { kind: 'unary', handle: async (_c, r) => r } });
  for (const path of ['/a.B/D', '/x.Y/Z', '/nopath', '', 'a.B/C', '/a.B/', '/a/b/c']) {
    plane.tell(call(1, path, ''));
  }
  t.same(
    plane.of('finish').map(([, code, text]) => [code, text]),
    [
      [12, 'unknown method D for service a.B'],
      [12, 'unknown service x.Y'],
      [12, 'malformed method name: "/nopath"'],
      [12, 'malformed method name: ""'],
      [12, 'malformed method name: "a.B/C"'],
      [12, 'unknown method  for service a.B'],
      [12, 'unknown service a/b'],
    ],
  );
});

t.test('the end of a call aborts its signal, and its answer is not sent', async (t) => {
  const ends: string[] = [];
  let goOn: (reply: Buffer) => void = () => undefined;
  const { plane, server } = openServer({
    '/s.S/Wait': {
      kind: 'unary',
      handle: ({ signal }) => {
        signal.addEventListener('abort', () => ends.push('aborted'));
        return new Promise((resolve) => {
          goOn = resolve;
        });
      },
    },
  });
  plane.tell(call(1, '/s.S/Wait', ''));
  plane.tell((to) => to.ended(1));
  t.same(ends, ['aborted']);
  goOn(Buffer.from('late'));
  await sleep(1);
  t.same(plane.said, []);
  plane.tell(call(2, '/s.S/Wait', ''));
  await server.stop(1);
  t.same(ends, ['aborted', 'aborted'], 'a stop ends what is left');
  t.same(plane.said, [['drainConnections'], ['stop']]);
});

/** A stream whose server's end the test holds. */
function openStream() {
  const held: { stream?: ServerStream; context?: CallContext; end?: (e: unknown) => void } = {};
  const opened = openServer({
    '/s.S/Talk': {
      kind: 'stream',
      handle: (context, stream) =>
        new Promise((resolve, reject) => {
          held.stream = stream;
          held.context = context;
          held.end = (error) => (error === null ? resolve() : reject(error as Error));
        }),
    },
  });
  opened.plane.tell(call(5, '/s.S/Talk', null));
  const { stream, context, end } = held as Required<typeof held>;
  return { ...opened, stream, context, end };
}

t.test('a stream asks for each message but the first, and ends as its handler does', async (t) => {
  const { plane, stream, end } = openStream();
  const first = stream.receive();
  plane.tell((to) => to.message(5, Buffer.from('a')));
  t.equal(String(await first), 'a');
  t.same(plane.of('ask'), [[5]]);
  plane.tell((to) => to.message(5, Buffer.from('b')));
  t.same(plane.of('ask'), [[5]], 'nobody has taken the second yet');
  t.equal(String(await stream.receive()), 'b');
  t.same(plane.of('ask'), [[5], [5]]);
  const last = stream.receive();
  plane.tell((to) => to.halfClose(5));
  t.equal(await last, null);
  t.equal(await stream.receive(), null, 'the end stays the end');
  stream.send(Buffer.from('answer'));
  end(null);
  await sleep(1);
  t.same(plane.said.slice(-2), [
    ['send', 5, 'answer'],
    ['finish', 5, 0, ''],
  ]);
});

t.test('senders hear when their messages have left, in order', async (t) => {
  const { plane, stream } = openStream();
  const heard: string[] = [];
  stream.send(Buffer.from('1'), () => heard.push('1'));
  stream.send(Buffer.from('2'));
  stream.send(Buffer.from('3'), () => heard.push('3'));
  stream.send(Buffer.from('4'), () => heard.push('4'));
  t.same(heard, []);
  plane.tell((to) => to.taken(5, 2));
  t.same(heard, ['1']);
  plane.tell((to) => to.taken(5, 1));
  t.same(heard, ['1', '3']);
  plane.tell((to) => to.ended(5));
  t.same(heard, ['1', '3', '4'], 'nobody waits for what will not be taken any more');
  stream.send(Buffer.from('5'), () => heard.push('5'));
  t.same(heard, ['1', '3', '4', '5']);
  t.equal(plane.of('send').length, 4);
});

t.test('a stream that fails, and one whose client has gone', async (t) => {
  const failing = openStream();
  failing.end(MetaStoreError.of('NoLeader'));
  await sleep(1);
  t.same(failing.plane.of('finish'), [[5, 14, 'etcdserver: no leader']]);
  t.ok(failing.context.signal.aborted);
  const gone = openStream();
  const waiting = gone.stream.receive();
  gone.plane.tell((to) => to.ended(5));
  await t.rejects(waiting, { code: 'ContextCanceled' });
  await t.rejects(gone.stream.receive(), { code: 'ContextCanceled' });
  gone.end(null);
  await sleep(1);
  t.same(gone.plane.said, []);
});

t.test('other events go to who wants them, and lines to the log', async (t) => {
  const heard: unknown[] = [];
  const { plane } = openServer(
    {},
    {
      extras: {
        keepAlives: (record) => heard.push(['keepAlives', String(record)]),
        caller: (record) => heard.push(['caller', String(record)]),
        slow: (record) => heard.push(['slow', String(record)]),
      },
    },
  );
  plane.tell(
    (to) => to.keepAlives(Buffer.from('1')),
    (to) => to.caller(Buffer.from('2')),
    (to) => to.slow(Buffer.from('3')),
    (to) => to.log(1, 'a line'),
  );
  t.same(heard, [
    ['keepAlives', '1'],
    ['caller', '2'],
    ['slow', '3'],
  ]);
});
