// One HTTP request as it goes over the wire and what comes back, for the comparison of gateways:
// bodies in pieces, answers that do not end, WebSockets. Called by gateway.test.ts.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';

import { sleep, within } from '../../../support/wait.js';

/** A request to be sent to every server alike. */
export interface Case {
  /** Shown when the answers differ; the path and the body otherwise. */
  readonly name?: string;
  /** POST by default. */
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Several are sent one after the other with a pause. `${name}` is a value captured before. */
  readonly body?: string | Buffer | readonly string[];
  /** Reads so many lines of an answer that need not end, and then a little longer. */
  readonly lines?: number;
  /** Lines are compared sorted, since their order is not defined. */
  readonly unordered?: boolean;
  /** Names for parts of the answer's body, by the first group of an expression. */
  readonly capture?: Readonly<Record<string, RegExp>>;
  /** Bodies are not compared: their texts are each server's own. */
  readonly statusOnly?: boolean;
  /** Over WebSocket: the messages; `lines` answers to all of them are waited for, 0: none come. */
  readonly messages?: readonly string[];
  readonly protocols?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** Headers that are compared. */
const comparedHeaders = [
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'allow',
  'content-type',
  'grpc-metadata-content-type',
  'location',
  'www-authenticate',
  'x-content-type-options',
];

const timeoutMs = 30_000;
const betweenPiecesMs = 60;
/** How long nothing more may come of an answer that has no end. */
const quietMs = 250;

export type Captured = Map<string, string>;

function filled(text: string, captured: Captured): string {
  return text.replace(/\$\{(\w+)\}/g, (whole, name: string) => captured.get(name) ?? whole);
}

function pickHeaders(response: IncomingMessage): Answer['headers'] {
  return Object.fromEntries(
    comparedHeaders.map((name) => [name, response.headers[name] as string | undefined]),
  );
}

function lineCount(text: string): number {
  return text.split('\n').length - 1;
}

/** Reads until the end, or until enough lines have come. */
async function readBody(response: IncomingMessage, lines: number | undefined): Promise<string> {
  let text = '';
  response.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<void>((resolve) => response.once('close', () => resolve()));
  if (lines === undefined) {
    await ended;
    return text;
  }
  const until = performance.now() + timeoutMs;
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over && lineCount(text) < lines && performance.now() < until) {
    await sleep(10);
  }
  await sleep(over ? 0 : quietMs);
  response.destroy();
  return text;
}

/** No answer at all within this time counts as one. */
const silence: Answer = { status: 0, headers: {}, body: 'nothing' };

async function overHttp(port: number, asked: Case, captured: Captured): Promise<Answer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(asked.headers ?? {})) {
    headers[name] = filled(value, captured);
  }
  const pieces = Array.isArray(asked.body) ? (asked.body as readonly string[]) : null;
  const whole = pieces === null ? ((asked.body as string | Buffer | undefined) ?? '') : '';
  const bytes = typeof whole === 'string' ? Buffer.from(filled(whole, captured)) : whole;
  if (pieces === null) {
    headers['content-length'] = String(bytes.length);
  }
  const sent = httpRequest({
    host: '127.0.0.1',
    port,
    method: asked.method ?? 'POST',
    path: filled(asked.path, captured),
    headers,
    agent: false,
  });
  const answered = new Promise<IncomingMessage | null>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    if (asked.lines === 0) {
      setTimeout(() => resolve(null), quietMs * 4);
    }
  });
  answered.catch(() => undefined);
  for (const piece of pieces ?? []) {
    sent.write(filled(piece, captured));
    await sleep(betweenPiecesMs);
  }
  sent.end(pieces === null ? bytes : undefined);
  try {
    const response = await within(`an answer of ${asked.path}`, answered, timeoutMs);
    if (response === null) {
      return silence;
    }
    const body = await readBody(response, asked.lines);
    return { status: response.statusCode ?? 0, headers: pickHeaders(response), body };
  } finally {
    sent.on('error', () => undefined);
    sent.destroy();
  }
}

async function overWebSocket(port: number, asked: Case, captured: Captured): Promise<Answer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(asked.headers ?? {})) {
    headers[name] = filled(value, captured);
  }
  const protocols = (asked.protocols ?? []).map((name) => filled(name, captured));
  const socket = new WebSocket(`ws://127.0.0.1:${port}${asked.path}`, protocols, { headers });
  let body = '';
  let status = 101;
  let over = false;
  socket.on('message', (data, isBinary) => {
    body += `${isBinary ? 'binary ' : ''}${String(data)}\n`;
  });
  socket.on('unexpected-response', (_request, response) => {
    status = response.statusCode ?? 0;
    over = true;
    response.destroy();
  });
  socket.on('close', () => {
    over = true;
  });
  socket.on('error', (error) => {
    over = true;
    body += `${error.message.includes('subprotocol') ? 'no subprotocol' : ''}`;
  });
  let isSent = false;
  socket.once('open', async () => {
    for (const message of asked.messages ?? []) {
      socket.send(filled(message, captured));
      await sleep(betweenPiecesMs);
    }
    isSent = true;
  });
  const until = performance.now() + timeoutMs;
  const enough = asked.lines ?? Number.POSITIVE_INFINITY;
  while (!over && performance.now() < until && !(isSent && lineCount(body) >= enough)) {
    await sleep(10);
  }
  await sleep(over ? 0 : quietMs * 2);
  const protocol = socket.protocol;
  socket.terminate();
  return { status, headers: { 'sec-websocket-protocol': protocol }, body };
}

/** Sends a request and reads its answer; what is captured of it goes into `captured`. */
export async function exchange(port: number, asked: Case, captured: Captured): Promise<Answer> {
  const answer =
    asked.messages === undefined
      ? await overHttp(port, asked, captured)
      : await overWebSocket(port, asked, captured);
  for (const [name, pattern] of Object.entries(asked.capture ?? {})) {
    const value = pattern.exec(answer.body)?.[1];
    if (value !== undefined) {
      captured.set(name, value);
    }
  }
  return answer;
}
