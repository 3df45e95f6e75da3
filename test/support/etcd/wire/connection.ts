// A client's HTTP/2 connection that does what a test says, rules or no rules: nothing is checked
// before it is sent, and everything that the server sends is kept or counted.
// Used by the conformance suite of the wire and by the fault tests of hostile clients.

import { connect, type Socket } from 'node:net';
import { resetOrClose } from '../../ports.js';
import { waitFor, within } from '../../wait.js';
import {
  concat,
  contents,
  data,
  ErrorCode,
  Flag,
  type Frame,
  FrameReader,
  FrameType,
  headers,
  ping,
  preface,
  Setting,
  settings,
  settingsAck,
  windowUpdate,
} from './frames.js';
import { encodeHeaders, type Header, HeaderDecoder } from './hpack.js';

/** What one stream got. */
export interface Answer {
  /** Header blocks in the order in which they came. */
  readonly blocks: [string, string][][];
  body: Buffer[];
  bodyBytes: number;
  /** True when the last block ended the stream. */
  ended: boolean;
  /** The error code of the reset, null without one. */
  reset: number | null;
}

export interface Goaway {
  readonly lastStream: number;
  readonly code: number;
  readonly text: string;
}

export interface WireOptions {
  readonly port: number;
  /** What SETTINGS says; by default the widest window for answers. */
  readonly settings?: readonly (readonly [number, number])[];
  /** False: neither preface nor SETTINGS are sent. */
  readonly hello?: boolean;
  /** False: SETTINGS and PING of the server are not acknowledged. */
  readonly polite?: boolean;
  /** False: bodies are counted and dropped. */
  readonly keepBodies?: boolean;
}

const widest = 2 ** 31 - 1;

export class WireConnection {
  readonly socket: Socket;
  readonly answers = new Map<number, Answer>();
  /** Frames that belong to no stream, and resets; not DATA or HEADERS. */
  readonly control: Frame[] = [];
  /** The server's settings as announced. */
  readonly serverSettings = new Map<number, number>();
  goaway: Goaway | null = null;
  /** False: frames that belong to no stream are dealt with and forgotten. */
  keepsControl = true;
  /** How the connection ended; null while it is open. */
  closed: 'end' | 'reset' | null = null;
  /** What this client may still send: on the connection, and on each stream. */
  sendWindow = 65535;
  readonly streamWindows = new Map<number, number>();
  readonly #reader = new FrameReader();
  readonly #decoder = new HeaderDecoder();
  readonly #options: WireOptions;
  #block: { stream: number; flags: number; parts: Buffer[] } | null = null;
  #nextStream = 1;

  private constructor(socket: Socket, options: WireOptions) {
    this.socket = socket;
    this.#options = options;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('end', () => {
      this.closed ??= 'end';
    });
    socket.on('error', () => {
      this.closed ??= 'reset';
    });
    socket.on('close', () => {
      this.closed ??= 'end';
    });
  }

  static async open(options: WireOptions): Promise<WireConnection> {
    const socket = connect({ host: '127.0.0.1', port: options.port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const connection = new WireConnection(socket, options);
    if (options.hello !== false) {
      const wanted = options.settings ?? [[Setting.initialWindowSize, widest] as const];
      connection.send(preface, settings(wanted), windowUpdate(0, widest - 65535));
    }
    return connection;
  }

  send(...frames: Buffer[]): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(concat(frames));
  }

  /** As send, but resolves when the system has taken the bytes, or the connection is gone. */
  sendSlowly(...frames: Buffer[]): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed || !this.socket.writable) resolve();
      else this.socket.write(concat(frames), () => resolve());
    });
  }

  /** The number for the next stream. */
  nextStream(): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    return stream;
  }

  /** Opens a stream by a right HEADERS frame. */
  request(list: readonly Header[], endStream = false): number {
    const stream = this.nextStream();
    this.answerOf(stream);
    this.send(headers(stream, encodeHeaders(list), endStream));
    return stream;
  }

  answerOf(stream: number): Answer {
    let answer = this.answers.get(stream);
    if (answer === undefined) {
      answer = { blocks: [], body: [], bodyBytes: 0, ended: false, reset: null };
      this.answers.set(stream, answer);
    }
    return answer;
  }

  /** Sends a body within the server's windows, in frames of at most 16 KiB. */
  async sendBody(stream: number, body: Buffer, endStream = true): Promise<void> {
    for (let at = 0; at < body.length || at === 0; ) {
      const room = await waitFor('a window', () => this.#room(stream, body.length - at), 10_000, 2);
      if (room === 'over') return;
      const piece = body.subarray(at, at + room);
      at += piece.length;
      this.sendWindow -= piece.length;
      this.streamWindows.set(stream, this.#streamWindow(stream) - piece.length);
      this.send(data(stream, piece, endStream && at >= body.length));
      if (body.length === 0) return;
    }
  }

  #streamWindow(stream: number): number {
    const initial = this.serverSettings.get(Setting.initialWindowSize) ?? 65535;
    return this.streamWindows.get(stream) ?? initial;
  }

  #room(stream: number, wanted: number): number | 'over' | undefined {
    const answer = this.answers.get(stream);
    if (this.closed !== null || answer?.ended || answer?.reset !== null) return 'over';
    const room = Math.min(this.sendWindow, this.#streamWindow(stream), 16384, wanted);
    return room > 0 || wanted === 0 ? room : undefined;
  }

  /** What a stream got once it is over, one way or the other. */
  async answer(stream: number, timeoutMs = 10_000): Promise<Answer> {
    const answer = this.answerOf(stream);
    const over = () => answer.ended || answer.reset !== null || this.closed !== null;
    await waitFor(`the end of stream ${stream}`, over, timeoutMs, 2);
    return answer;
  }

  /** How the server ended the connection: GOAWAY or not, and how it was closed. */
  async closing(timeoutMs = 10_000): Promise<{ code: number | null; closed: 'end' | 'reset' }> {
    const closed = await waitFor(
      'the end of the connection',
      () => this.closed ?? undefined,
      timeoutMs,
      2,
    );
    return { code: this.goaway?.code ?? null, closed };
  }

  /** Resolves when the server has dealt with all before a ping and answers it, or sends us away. */
  async settle(timeoutMs = 10_000): Promise<void> {
    const pings = () => this.control.filter(isPingAck).length;
    const before = pings();
    this.send(ping(Buffer.from('settled?')));
    await waitFor(
      'an answered ping',
      () => this.closed !== null || this.goaway !== null || pings() > before,
      timeoutMs,
      2,
    );
  }

  close(): void {
    if (!this.socket.destroyed) this.socket.destroy();
  }

  /** Ends the connection by a TCP reset. */
  abort(): void {
    resetOrClose(this.socket);
  }

  /** Ends the sending side alone. */
  async halfClose(): Promise<void> {
    await within('half a close', new Promise<void>((resolve) => this.socket.end(resolve)));
  }

  #receive(bytes: Buffer): void {
    for (const frame of this.#reader.push(bytes)) this.#handle(frame);
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case FrameType.data:
        this.#handleData(frame);
        return;
      case FrameType.headers:
        this.#block = { stream: frame.stream, flags: frame.flags, parts: [contents(frame)] };
        if ((frame.flags & Flag.endHeaders) !== 0) this.#endBlock();
        return;
      case FrameType.continuation:
        this.#block?.parts.push(frame.payload);
        if ((frame.flags & Flag.endHeaders) !== 0) this.#endBlock();
        return;
      case FrameType.rstStream:
        this.answerOf(frame.stream).reset = frame.payload.readUInt32BE(0);
        if (this.keepsControl) this.control.push(frame);
        return;
      default:
        this.#handleControl(frame);
    }
  }

  #handleData(frame: Frame): void {
    const answer = this.answerOf(frame.stream);
    const body = contents(frame);
    answer.bodyBytes += body.length;
    if (this.#options.keepBodies !== false) answer.body.push(Buffer.from(body));
    if ((frame.flags & Flag.endStream) !== 0) answer.ended = true;
  }

  #endBlock(): void {
    const block = this.#block;
    this.#block = null;
    if (block === null) return;
    const answer = this.answerOf(block.stream);
    answer.blocks.push(this.#decoder.decode(concat(block.parts)));
    if ((block.flags & Flag.endStream) !== 0) answer.ended = true;
  }

  #handleControl(frame: Frame): void {
    const isAck = (frame.flags & Flag.ack) !== 0;
    const isPolite = this.#options.polite !== false;
    if (this.keepsControl) this.control.push({ ...frame, payload: Buffer.from(frame.payload) });
    if (frame.type === FrameType.settings && !isAck) {
      this.#takeSettings(frame.payload);
      if (isPolite) this.send(settingsAck());
    } else if (frame.type === FrameType.ping && !isAck) {
      if (isPolite) this.send(ping(Buffer.from(frame.payload), true));
    } else if (frame.type === FrameType.goaway) {
      this.goaway = {
        lastStream: frame.payload.readUInt32BE(0) & widest,
        code: frame.payload.readUInt32BE(4),
        text: frame.payload.subarray(8).toString('latin1'),
      };
    } else if (frame.type === FrameType.windowUpdate) {
      const increment = frame.payload.readUInt32BE(0) & widest;
      if (frame.stream === 0) this.sendWindow += increment;
      else this.streamWindows.set(frame.stream, this.#streamWindow(frame.stream) + increment);
    }
  }

  #takeSettings(payload: Buffer): void {
    const before = this.serverSettings.get(Setting.initialWindowSize) ?? 65535;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      this.serverSettings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    const change = (this.serverSettings.get(Setting.initialWindowSize) ?? 65535) - before;
    for (const [stream, window] of this.streamWindows) {
      this.streamWindows.set(stream, window + change);
    }
  }
}

function isPingAck(frame: Frame): boolean {
  return frame.type === FrameType.ping && (frame.flags & Flag.ack) !== 0;
}

/** The name of an error code, for messages. */
export function errorName(code: number | null): string {
  if (code === null) return 'none sent';
  const found = Object.entries(ErrorCode).find(([, value]) => value === code);
  return found?.[0] ?? `code ${code}`;
}
