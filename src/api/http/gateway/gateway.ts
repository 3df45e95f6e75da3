// The JSON gateway: every method of the API as a POST with a JSON body, by the handlers that gRPC
// calls have too, in this process. Called by the router for paths below /v3/.

import type { HttpRequest, HttpResponse } from '../../../base/call.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { Logger } from '../../../base/log/logger.js';
import { inPieces, JsonCodec } from '../transcoder/codec.js';
import { type Backend, callUnary, errorLine, GatewayStream, statusOf } from './calls.js';
import { GatewayCall } from './context.js';
import { callHeaders } from './metadata.js';
import { type BodyLimits, bodyLimits, checkSize, MessageSource, tooLarge } from './requests.js';
import { gatewayRoutes, type Route } from './routes.js';
import { Code, errorReply, httpStatus } from './status.js';

const succeeded = {
  'content-type': 'application/json',
  'grpc-metadata-content-type': 'application/grpc',
};

export class Gateway {
  readonly backend: Backend;
  readonly limits: BodyLimits;
  readonly codec: JsonCodec;
  readonly #routes = gatewayRoutes();

  /** @param maxReceiveBytes largest request message, as for gRPC */
  constructor(backend: Backend, maxReceiveBytes: number, log: Logger) {
    this.backend = backend;
    this.limits = bodyLimits(maxReceiveBytes);
    this.codec = new JsonCodec(this.limits, log);
  }

  route(path: string): Route | undefined {
    return this.#routes.get(path);
  }

  /** Answers a request for a path below /v3/. */
  async answer(request: HttpRequest, path: string): Promise<HttpResponse> {
    const route = this.route(path);
    if (route === undefined) {
      return errorReply({ code: Code.NotFound, text: 'Not Found' });
    }
    const override = overriddenMethod(request);
    if ((override ?? request.method) !== 'POST') {
      return errorReply({ code: Code.Unimplemented, text: 'Method Not Allowed' });
    }
    const headers = callHeaders(request.headers, request.peer);
    if (headers.refusal !== null) {
      return errorReply(headers.refusal);
    }
    const call = new GatewayCall(headers, request.peer, request.signal);
    try {
      if (route.requestStream) {
        const chunks = request.chunks();
        const decode = (text: string) => this.codec.value(route, text, request.signal);
        const source = new MessageSource(decode, chunks, this.limits);
        const requests = { receive: () => source.next(), done: () => void source.discard() };
        return await this.#stream(route, call, requests, request.signal);
      }
      const message = await this.#message(route, request);
      return route.responseStream
        ? await this.#stream(route, call, onlyOne(message), request.signal)
        : await this.#unary(route, call, message, request.signal);
    } catch (error) {
      call.finish();
      return errorReply(statusOf(this.backend.errors, error));
    }
  }

  /** The one message of a request. @throws JsonProblem, MetaStoreError */
  async #message(route: Route, request: HttpRequest): Promise<Buffer> {
    let body: Buffer | null;
    try {
      body = await request.body(this.limits.textBytes);
    } catch {
      // Nobody is there to read the answer.
      throw MetaStoreError.of('ContextCanceled');
    }
    if (body === null) {
      const said = Number(request.headers['content-length'] ?? 0);
      throw tooLarge(Math.max(said, this.limits.textBytes), this.limits.messageBytes);
    }
    // A form that names its method is no message.
    const text = overriddenMethod(request) === null ? body : Buffer.alloc(0);
    return checkSize(await this.codec.request(route, text, request.signal), this.limits);
  }

  async #unary(
    route: Route,
    call: GatewayCall,
    message: Buffer,
    gone: AbortSignal,
  ): Promise<HttpResponse> {
    const reply = await callUnary(this.backend, route, call, message);
    call.finish();
    const body = await this.codec.answer(route, reply, gone);
    return { status: 200, headers: succeeded, body };
  }

  /** Answers with lines, as soon as there is one or the call is over. */
  async #stream(
    route: Route,
    call: GatewayCall,
    { receive, done }: Requests,
    gone: AbortSignal,
  ): Promise<HttpResponse> {
    const handler = this.backend.handlers.get(route.method);
    if (handler?.kind !== 'stream') {
      throw MetaStoreError.of('NotImplemented');
    }
    if (call.over) {
      return call.expired;
    }
    const stream = new GatewayStream(receive);
    void stream.run(this.backend, handler.handle, call).then(done);
    await stream.ready();
    const { outcome } = stream;
    if (outcome === null) {
      const line = (message: Buffer) => this.codec.line(route, message, gone);
      return { status: 200, headers: succeeded, body: lines(line, stream, call) };
    }
    if (outcome.error === null) {
      return { status: 200, headers: {}, body: '' };
    }
    return {
      status: httpStatus(outcome.error.code),
      headers: { 'content-type': 'application/json' },
      body: `${errorLine(outcome.error)}\n`,
    };
  }
}

/** The method that a form asks for in a header, since forms know but two; null without one. */
function overriddenMethod({ method, headers }: HttpRequest): string | null {
  const name = headers['x-http-method-override'];
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded';
  return isForm && method === 'POST' && typeof name === 'string' && name !== ''
    ? name.toUpperCase()
    : null;
}

/** What a stream of requests comes from. */
interface Requests {
  readonly receive: () => Promise<Buffer | null>;
  /** The call is over. */
  readonly done: () => void;
}

/** A stream of requests that has one. */
function onlyOne(message: Buffer): Requests {
  let left: Buffer | null = message;
  const receive = async () => {
    const next = left;
    left = null;
    return next;
  };
  return { receive, done: () => undefined };
}

/** The lines of an answer; ends with the call, and ends the call when nobody reads on. */
async function* lines(
  lineOf: (message: Buffer) => Promise<string | Buffer>,
  stream: GatewayStream,
  call: GatewayCall,
): AsyncGenerator<string | Buffer> {
  try {
    for (;;) {
      await stream.ready();
      const next = stream.pull();
      if (next !== null) {
        const line = await lineOf(next.message);
        if (typeof line === 'string') {
          yield `${line}\n`;
        } else {
          yield* inPieces(line);
          yield '\n';
        }
        next.taken?.();
        continue;
      }
      const error = stream.outcome?.error ?? null;
      if (error !== null) {
        yield `${errorLine(error)}\n`;
      }
      return;
    }
  } finally {
    call.finish();
    stream.abandon();
  }
}
