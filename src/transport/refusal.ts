// What a connection beyond the limit is told before it is closed, in the protocol that its first
// bytes are of. Bounded itself: only so many are told at a time, and they have a second to ask.
// Used by SharedPort.

import type { Socket } from 'node:net';

import { bytesOf } from '../base/bytes.js';

/** Connections that are being told at once; further ones are just closed. */
const TOLD_MAX = 64;
const TIMEOUT_MS = 1000;
const HANDSHAKE = 0x16;
/** An alert of TLS in clear text, as before any key: fatal, internal_error. */
const TLS_ALERT = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50]);
/** An empty SETTINGS frame, which every HTTP/2 server begins with. */
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const GOAWAY_TYPE = 7;
const ENHANCE_YOUR_CALM = 11;

let told = 0;

function goaway(reason: string): Buffer {
  const text = Buffer.from(reason);
  const frame = Buffer.alloc(17);
  frame.writeUIntBE(8 + text.length, 0, 3);
  frame[3] = GOAWAY_TYPE;
  frame.writeUInt32BE(ENHANCE_YOUR_CALM, 13);
  return Buffer.concat([SETTINGS, frame, text].map(bytesOf));
}

function httpAnswer(reason: string): Buffer {
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Content-Type: text/plain; charset=utf-8',
    'Connection: close',
    `Content-Length: ${reason.length + 1}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${reason}\n`);
}

function answerTo(first: Buffer, reason: string): Buffer {
  if (first[0] === HANDSHAKE) {
    return TLS_ALERT;
  }
  return first.toString('latin1', 0, 3) === 'PRI' ? goaway(reason) : httpAnswer(reason);
}

/** Says why, and closes; `reason` is plain ASCII. */
export function refuseConnection(socket: Socket, reason: string): void {
  socket.on('error', () => socket.destroy());
  if (told >= TOLD_MAX) {
    socket.destroy();
    return;
  }
  told += 1;
  const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
  socket.once('close', () => {
    told -= 1;
    clearTimeout(timer);
  });
  socket.once('data', (first: Buffer) => {
    socket.end(answerTo(first, reason));
    // Closing with bytes unread would cut the answer off.
    socket.resume();
  });
}
