// A stream of messages as frames on a connection of its own, asked for by an HTTP/1.1 upgrade with
// the same greeting in its headers as a gRPC call has in its metadata. The hot path between
// members: a frame costs one write here and one read there. Made by negotiated.ts.

import { type ClientRequest, request } from 'node:http';
import { Socket } from 'node:net';

import type grpc from '@grpc/grpc-js';

import { bytesOf } from '../../../base/bytes.js';
import { dial, type Place } from '../channel.js';
import { decodeReply, encodeFrame, type Outbound } from '../wire/frame.js';
import { refusalNameOf } from '../wire/handshake.js';
import {
  DETAILS_HEADER,
  decodeAnswer,
  decodeEnd,
  encodeForward,
  HEAD_BYTES,
  headed,
  headersOf,
  metadataOf,
  RAW_PROTOCOL,
  RawError,
  RawKind,
  RawReader,
} from '../wire/raw.js';
import type { LinkPath, MessageStream, StreamEvents } from './stream.js';

export interface RawStreamEvents extends StreamEvents {
  /** Who answers does not know raw streams. Said instead of everything else. */
  unknown(): void;
}

export class RawStream implements MessageStream {
  readonly takesForwards = true;
  readonly #events: RawStreamEvents;
  readonly #place: Place;
  readonly #reader = new RawReader((kind, body) => this.#frame(kind, body));
  readonly #request: ClientRequest | null;
  #socket: Socket;
  #connected = false;
  #over = false;

  constructor(place: Place, path: LinkPath, greeting: grpc.Metadata, events: RawStreamEvents) {
    this.#events = events;
    this.#place = place;
    try {
      this.#socket = dial(place, ['http/1.1']);
    } catch (error) {
      // Certificates that cannot be read.
      this.#socket = new Socket();
      this.#request = null;
      setImmediate(() => this.#failed(error as Error));
      return;
    }
    this.#request = this.#ask(path, greeting);
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  write(messages: readonly Outbound[], ping: number): number {
    const frame = headed(RawKind.Frame, encodeFrame(messages, ping, HEAD_BYTES));
    this.#socket.write(bytesOf(frame));
    return frame.length;
  }

  forward(number: number, term: number, forwards: Uint8Array): number {
    const frame = encodeForward(number, term, forwards);
    this.#socket.write(bytesOf(frame));
    return frame.length;
  }

  close(): void {
    this.#over = true;
    this.#request?.destroy();
    this.#socket.destroy();
  }

  #ask(path: LinkPath, greeting: grpc.Metadata): ClientRequest {
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.once(this.#place.secure === null ? 'connect' : 'secureConnect', () => {
      this.#connected = true;
    });
    const asked = request({
      createConnection: () => socket,
      path,
      headers: {
        host: 'peer',
        connection: 'Upgrade',
        upgrade: RAW_PROTOCOL,
        ...headersOf(greeting),
      },
    });
    asked.on('upgrade', (response, upgraded, head) => {
      this.#accepted(metadataOf(response.headers), upgraded as Socket, head);
    });
    asked.on('response', (response) => {
      response.resume();
      this.#refused(metadataOf(response.headers));
    });
    asked.on('error', (error) => this.#failed(error));
    asked.end();
    return asked;
  }

  #refused(answer: grpc.Metadata): void {
    if (refusalNameOf(answer) === null) {
      this.#end(() => this.#events.unknown());
    } else {
      const details = String(answer.get(DETAILS_HEADER)[0] ?? 'refused');
      this.#end(() => this.#events.ended(details, answer));
    }
  }

  #accepted(answer: grpc.Metadata, socket: Socket, head: Buffer): void {
    if (this.#over) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.setTimeout(0);
    socket.on('error', (error) => this.#end(() => this.#events.ended(error.message, undefined)));
    socket.on('close', () => {
      this.#end(() => this.#events.ended('connection closed', undefined));
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#events.accepted(answer);
    if (head.length > 0) {
      this.#read(head);
    }
  }

  #read(chunk: Buffer): void {
    if (this.#over) {
      return;
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error);
      this.#end(() => this.#events.ended(details, undefined));
    }
  }

  #frame(kind: number, body: Buffer): void {
    if (this.#over) {
      return;
    }
    if (kind === RawKind.Reply) {
      this.#events.pong(decodeReply(body));
    } else if (kind === RawKind.Answer) {
      const { number, error } = decodeAnswer(body);
      this.#events.answered(number, error);
    } else if (kind === RawKind.End) {
      const { details, metadata } = decodeEnd(body);
      this.#end(() => this.#events.ended(details, metadata));
    } else {
      throw new RawError(`a frame of kind ${kind}`);
    }
  }

  /** No stream came about. What answers but not in HTTP/1.1 may still speak the older way. */
  #failed(error: Error): void {
    const { secure } = this.#place;
    const details = secure?.dialler.failureText(error) ?? error.message;
    this.#end(() => {
      if (this.#connected) {
        this.#events.unknown();
      } else {
        this.#events.ended(details, undefined);
      }
    });
  }

  #end(say: () => void): void {
    if (!this.#over) {
      this.close();
      say();
    }
  }
}
