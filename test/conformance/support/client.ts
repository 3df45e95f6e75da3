// A bare gRPC client for tests: bytes out, bytes and status in, so that any request can be sent,
// malformed ones too. Messages are encoded by the callers. Built on grpc-js's generic client.

import * as grpc from '@grpc/grpc-js';

export interface Answer {
  /** gRPC status code; 0 with `bytes` set. */
  readonly code: number;
  /** The status text, '' on success. */
  readonly text: string;
  readonly bytes: Buffer;
}

const passThrough = (bytes: Buffer): Buffer => bytes;
const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

function failure(error: unknown): Answer {
  const status = error as Partial<grpc.ServiceError>;
  const text = status.details ?? String(error);
  return { code: status.code ?? grpc.status.UNKNOWN, text, bytes: Buffer.alloc(0) };
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One connection to one server. */
export class Client {
  readonly #client: grpc.Client;

  constructor(address: string) {
    const options = { ...unlimited, 'grpc.use_local_subchannel_pool': 1 };
    this.#client = new grpc.Client(address, grpc.credentials.createInsecure(), options);
  }

  /** Waits until the connection stands; false when it does not within the time. */
  connected(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => resolve(error === undefined));
    });
  }

  /** Calls `/package.Service/Method`; never throws, an error is an answer with its code. */
  unary(path: string, bytes: Uint8Array, options: CallOptions = {}): Promise<Answer> {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    const deadline = Date.now() + (options.timeoutMs ?? 30_000);
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        path,
        passThrough,
        passThrough,
        Buffer.from(bytes),
        metadata,
        { deadline },
        (error, reply) => {
          if (error) resolve(failure(error));
          else resolve({ code: 0, text: '', bytes: reply ?? Buffer.alloc(0) });
        },
      );
    });
  }

  /** Opens a stream in both directions. */
  stream(path: string, onMessage: (bytes: Buffer) => void): Stream {
    const call = this.#client.makeBidiStreamRequest(path, passThrough, passThrough);
    return new Stream(call, onMessage);
  }

  close(): void {
    this.#client.close();
  }
}

/** A stream of raw messages. */
export class Stream {
  readonly #call: grpc.ClientDuplexStream<Buffer, Buffer>;
  /** Settles with the status once the stream is over. */
  readonly ended: Promise<{ code: number; text: string }>;
  over = false;

  constructor(call: grpc.ClientDuplexStream<Buffer, Buffer>, onMessage: (bytes: Buffer) => void) {
    this.#call = call;
    call.on('data', onMessage);
    this.ended = new Promise((resolve) => {
      call.on('status', (status: grpc.StatusObject) => {
        this.over = true;
        resolve({ code: status.code, text: status.details });
      });
    });
    call.on('error', () => {}); // The status tells the same.
  }

  send(bytes: Uint8Array): void {
    this.#call.write(Buffer.from(bytes));
  }

  /** Half-closes: nothing more will be sent. */
  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}
