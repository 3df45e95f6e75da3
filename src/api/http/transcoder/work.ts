// The work of the second isolate, apart from how it is asked for: requests out of JSON, answers to
// JSON, the latter in pieces as they are wanted. Used by worker.ts.

import { decodeJson } from '../gateway/json/decode.js';
import { encodeJson, encodeJsonPieces } from '../gateway/json/encode.js';
import { resultLine } from '../gateway/json/lines.js';
import { JsonProblem } from '../gateway/json/scanner.js';
import { firstMessage } from '../gateway/requests.js';
import { gatewayRoutes, type Route } from '../gateway/routes.js';
import { type Ask, ownMemory, type Task, type Told, textBytes } from './protocol.js';

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

export class Work {
  readonly #routes: ReadonlyMap<string, Route>;
  /** Answers whose pieces are not all made. */
  readonly #open = new Map<number, Iterator<string>>();

  constructor() {
    this.#routes = new Map([...gatewayRoutes().values()].map((route) => [route.method, route]));
  }

  /** Answers that are held for their next piece. */
  get open(): number {
    return this.#open.size;
  }

  /** Does what is asked; null where there is nothing to tell. Never throws. */
  do(ask: Ask): Told | null {
    const { id } = ask;
    if (ask.kind === 'drop') {
      this.#open.delete(id);
      return null;
    }
    try {
      return ask.kind === 'more' ? this.#piece(id) : this.#begin(ask);
    } catch (error) {
      this.#open.delete(id);
      const text = error instanceof Error ? error.message : String(error);
      return { kind: error instanceof JsonProblem ? 'problem' : 'failed', id, text };
    }
  }

  #begin(task: Task): Told {
    const { id } = task;
    const route = this.#routes.get(task.method);
    if (route === undefined) {
      throw new Error(`the gateway has no ${task.method}`);
    }
    const bytes = bufferOf(task.bytes);
    if (task.kind === 'decode') {
      const { request } = route;
      const message =
        task.form === 'body'
          ? firstMessage(request, bytes)
          : decodeJson(request, bytes.toString('latin1'));
      return { kind: 'done', id, bytes: ownMemory(message as unknown as Uint8Array) };
    }
    const { response } = route;
    if (task.form === 'pieces') {
      this.#open.set(id, encodeJsonPieces(response, bytes));
      return this.#piece(id);
    }
    const text = task.form === 'line' ? resultLine(response, bytes) : encodeJson(response, bytes);
    return { kind: 'done', id, bytes: textBytes(text, 'utf8') };
  }

  #piece(id: number): Told | never {
    const pieces = this.#open.get(id);
    if (pieces === undefined) {
      throw new Error('nothing is left of this answer');
    }
    const { value, done } = pieces.next();
    if (done === true) {
      this.#open.delete(id);
      return { kind: 'done', id, bytes: new Uint8Array(0) };
    }
    return { kind: 'piece', id, bytes: textBytes(value, 'utf8') };
  }
}
