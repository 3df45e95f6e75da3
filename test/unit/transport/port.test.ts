// Tests of src/transport/port.ts: one port, told apart by the first bytes, however they arrive.
// HTTP/2 connections are handed to a double that notes what it can read of them.

import { connect, type Socket } from 'node:net';
import t from 'tap';

import { createLogger } from '../../../src/base/log/logger.js';
import { SharedPort } from '../../../src/transport/port.js';
import { sleep, waitFor } from '../../support/wait.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

async function openPort() {
  const http2: string[] = [];
  const port = new SharedPort(
    {
      http2: (socket) => {
        socket.on('data', (bytes: Buffer) => http2.push(bytes.toString('latin1')));
      },
      http1: async ({ method, url, signal, body }) => {
        if (url === '/wait') {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          http2.push('gone');
        }
        const sent = url === '/body' ? await body(10) : null;
        return {
          status: sent === null ? 200 : 201,
          headers: { 'x-test': 'yes' },
          body: sent ?? `${method} ${url}`,
        };
      },
    },
    log,
  );
  await port.listen({ host: '127.0.0.1', port: 0 });
  return { port, http2 };
}

function dial(port: SharedPort): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port.port, '127.0.0.1', () => resolve(socket));
    socket.on('error', () => undefined);
  });
}

t.test('HTTP/1 is answered, HTTP/2 is handed on with all its bytes', async (t) => {
  const { port, http2 } = await openPort();
  port.serve();
  const answer = await fetch(`http://127.0.0.1:${port.port}/a?b=c`);
  t.equal(await answer.text(), 'GET /a?b=c');
  t.equal(answer.headers.get('x-test'), 'yes');
  const socket = await dial(port);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest');
  await waitFor('the preface', () => http2.join('').endsWith('rest'));
  t.equal(http2.join(''), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest');
  socket.destroy();
  await port.close();
});

t.test('bytes that come one at a time are waited for', async () => {
  const { port, http2 } = await openPort();
  port.serve();
  const slow = await dial(port);
  for (const byte of 'PRI * H') {
    slow.write(byte);
    await sleep(5);
  }
  await waitFor('the bytes', () => http2.join('') === 'PRI * H');
  const put = await dial(port);
  let answer = '';
  put.on('data', (bytes: Buffer) => {
    answer += bytes.toString();
  });
  for (const piece of ['P', 'U', 'T /x HTTP/1.1\r\nHost: a\r\n\r\n']) {
    put.write(piece);
    await sleep(5);
  }
  await waitFor('the answer', () => answer.endsWith('PUT /x'));
  slow.destroy();
  put.destroy();
  await port.close();
});

t.test('connections that come before the server is ready wait', async (t) => {
  const { port } = await openPort();
  const early = fetch(`http://127.0.0.1:${port.port}/early`);
  const late = await Promise.race([early.then(() => 'answered'), sleep(100).then(() => 'waits')]);
  t.equal(late, 'waits');
  port.serve();
  t.equal(await (await early).text(), 'GET /early');
  await port.close();
});

t.test('garbage gets an answer of HTTP/1 or a closed connection', async (t) => {
  const { port } = await openPort();
  port.serve();
  const socket = await dial(port);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.resume();
  socket.write(Uint8Array.from([0xff, 0x00, 0x01, 0x0d, 0x0a, 0x0d, 0x0a]));
  await closed;
  const silent = await dial(port);
  const ended = new Promise((resolve) => silent.once('close', resolve));
  await port.close();
  await ended;
  t.pass('closing the port ends connections that never said anything');
});

t.test('bodies are read up to a limit', async (t) => {
  const { port } = await openPort();
  port.serve();
  const url = `http://127.0.0.1:${port.port}/body`;
  const post = async (body: string, path = url) => {
    const answer = await fetch(path, { method: 'POST', body });
    return [answer.status, await answer.text()];
  };
  t.same(await post('0123456789'), [201, '0123456789']);
  t.same(await post(''), [201, '']);
  t.same(await post('0123456789a'), [200, 'POST /body'], 'too large');
  t.same(await post('x'.repeat(5_000_000)), [200, 'POST /body'], 'far too large');
  t.same(await post('x'.repeat(5_000_000), url.replace('body', 'x')), [200, 'POST /x']);
  const socket = await dial(port);
  socket.write('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf');
  await sleep(20);
  socket.destroy();
  t.same(await post('still'), [201, 'still'], 'a body that ends too early harms nobody else');
  await port.close();
});

t.test('a handler hears that its client is gone', async () => {
  const { port, http2 } = await openPort();
  port.serve();
  const socket = await dial(port);
  socket.write('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n');
  await sleep(20);
  socket.destroy();
  await waitFor('the handler', () => http2.includes('gone'));
  await port.close();
});
