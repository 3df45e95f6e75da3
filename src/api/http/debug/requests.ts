// GET /debug/requests and /debug/events: calls under way and calls lately done, by method, with
// their times and ends, never with what is in them. Kept only where the log level is debug, by
// handlers that are wrapped when the server is put together.

import type { CallContext, Handler, HandlerTable, HttpResponse } from '../../../base/call.js';
import type { ErrorTable } from '../../../base/errors.js';
import { jsonReply } from '../replies.js';

/** Calls kept of each method after they are done, and events of all. */
const DONE_MAX = 10;
const EVENTS_MAX = 200;

interface Tracked {
  readonly method: string;
  readonly peer: string;
  /** Milliseconds of the wall clock. */
  readonly startMs: number;
}

interface Done extends Tracked {
  readonly tookMs: number;
  /** gRPC code and text; 0 without text in order. */
  readonly code: number;
  readonly message: string;
}

/** Adds at the end, and lets the oldest go. */
function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) {
    list.shift();
  }
}

function shown({ method, peer, startMs }: Tracked): Record<string, unknown> {
  return { method, peer, start: new Date(startMs).toISOString() };
}

function shownDone(done: Done): Record<string, unknown> {
  return { ...shown(done), took_ms: done.tookMs, code: done.code, message: done.message };
}

export class RequestLog {
  readonly #errors: ErrorTable;
  readonly #active = new Set<Tracked>();
  readonly #done = new Map<string, Done[]>();
  readonly #failed: Done[] = [];

  constructor(errors: ErrorTable) {
    this.#errors = errors;
  }

  /** The same handlers, with every call noted. */
  tracked(table: HandlerTable): HandlerTable {
    const noted = [...table].map(([method, handler]): [string, Handler] => {
      if (handler.kind === 'unary') {
        const { handle } = handler;
        const run = (context: CallContext, request: Buffer) =>
          this.#note(method, context, () => handle(context, request));
        return [method, { kind: 'unary', handle: run }];
      }
      const { handle } = handler;
      return [
        method,
        {
          kind: 'stream',
          handle: (context, stream) => this.#note(method, context, () => handle(context, stream)),
        },
      ];
    });
    return new Map(noted);
  }

  /** Calls under way, and the last ones of each method. */
  requests(): HttpResponse {
    const done = [...this.#done].map(([method, list]) => [method, list.map(shownDone)]);
    const page = { active: [...this.#active].map(shown), done: Object.fromEntries(done) };
    return jsonReply(JSON.stringify(page));
  }

  /** The last calls that failed. */
  events(): HttpResponse {
    return jsonReply(JSON.stringify({ failed: this.#failed.map(shownDone) }));
  }

  async #note<T>(method: string, { peer }: CallContext, run: () => Promise<T>): Promise<T> {
    const call = { method, peer, startMs: Date.now() };
    const from = performance.now();
    this.#active.add(call);
    let code = 0;
    let message = '';
    try {
      return await run();
    } catch (error) {
      ({ code, text: message } = this.#errors.status(error));
      throw error;
    } finally {
      this.#active.delete(call);
      const done = { ...call, tookMs: performance.now() - from, code, message };
      const list = this.#done.get(method) ?? [];
      this.#done.set(method, list);
      keep(list, done, DONE_MAX);
      if (code !== 0) {
        keep(this.#failed, done, EVENTS_MAX);
      }
    }
  }
}
