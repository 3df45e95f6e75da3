// The receiving side of a raw stream: a connection of the peer port that asked, by an HTTP/1.1
// upgrade, to carry frames from now on. Made by PeerServer once the greeting in the request's
// headers has been judged; the layout is in docs/formats/peer-bytes.md.

import type { Socket } from 'node:net';

import type grpc from '@grpc/grpc-js';

import { bytesOf } from '../../../base/bytes.js';
import { encodeReply } from '../wire/frame.js';
import {
  DETAILS_HEADER,
  decodeForward,
  encodeAnswer,
  encodeEnd,
  framed,
  headersOf,
  RAW_PROTOCOL,
  RawError,
  RawKind,
  RawReader,
} from '../wire/raw.js';
import type { InboundListener, InboundStream } from './stream.js';

/** How long a member may take to read why its stream ends. */
const LAST_WORD_MS = 1000;
/**
 * Answers that say that all is well go together: so many that nobody waits who has that many
 * proposals under way, as members of earlier versions may.
 */
const ANSWERS_TOGETHER = 4;

export class RawInbound implements InboundStream {
  readonly #socket: Socket;
  readonly #head: Buffer;
  readonly #reader = new RawReader((kind, body) => this.#frame(kind, body));
  #listener: InboundListener | null = null;
  // Answers that have not been sent, in order.
  #owed: Buffer[] = [];

  /** @param head what the connection has brought behind the request */
  constructor(socket: Socket, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  open(greeting: grpc.Metadata, listener: InboundListener): void {
    const socket = this.#socket;
    this.#listener = listener;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${RAW_PROTOCOL}\r\n` +
        `${headerLines(greeting)}\r\n`,
    );
    socket.on('end', () => {
      listener.ended();
      socket.end();
    });
    socket.once('close', () => listener.ended());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (this.#head.length > 0) {
      this.#read(this.#head);
    }
  }

  pong(value: number): void {
    this.#write(framed(RawKind.Reply, bytesOf(encodeReply(value))));
  }

  answer(number: number, error: string): void {
    this.#owed.push(encodeAnswer(number, error));
    if (error !== '' || this.#owed.length === ANSWERS_TOGETHER) {
      this.answerOwed();
    }
  }

  answerOwed(): void {
    if (this.#owed.length > 0) {
      this.#write(Buffer.concat(this.#owed.splice(0).map(bytesOf)));
    }
  }

  refuse(status: grpc.ServiceError): void {
    this.#listener = null;
    lastWord(this.#socket, encodeEnd(status));
  }

  #write(bytes: Buffer): void {
    if (this.#listener !== null) {
      this.#socket.write(bytesOf(bytes));
    }
  }

  #read(chunk: Buffer): void {
    try {
      // After its end what still comes is let pass.
      if (this.#listener !== null) {
        this.#reader.push(chunk);
      }
    } catch (error) {
      this.#listener?.broken(error);
    }
  }

  #frame(kind: number, body: Buffer): void {
    const listener = this.#listener;
    if (listener === null) {
      return;
    }
    if (kind === RawKind.Frame) {
      listener.frame(body);
    } else if (kind === RawKind.Forward) {
      listener.forward(decodeForward(body));
    } else {
      throw new RawError(`a frame of kind ${kind}`);
    }
  }
}

/** Answers a request for a raw stream that is not granted. */
export function refuseUpgrade(socket: Socket, status: grpc.ServiceError): void {
  const { metadata, details } = status;
  lastWord(
    socket,
    Buffer.from(
      `HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n` +
        `${DETAILS_HEADER}: ${details.replace(/[^ -~]/g, '?')}\r\n${headerLines(metadata)}\r\n`,
      'latin1',
    ),
  );
}

/** Sends what is last, and closes, whether it is read or not. */
function lastWord(socket: Socket, bytes: Buffer): void {
  socket.end(bytesOf(bytes));
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LAST_WORD_MS);
  socket.once('close', () => clearTimeout(timer));
}

function headerLines(metadata: grpc.Metadata): string {
  return Object.entries(headersOf(metadata))
    .map(([name, value]) => `${name}: ${value.replace(/[^ -~]/g, '?')}\r\n`)
    .join('');
}
