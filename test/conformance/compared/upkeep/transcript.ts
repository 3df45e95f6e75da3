// One scenario after the other against one server, every answer taken down as a line of text, so
// that two servers' transcripts can be compared. Identities and terms are left out. Called by
// upkeep.test.ts; the scenarios stand in the files beside it.

import { canonicalReply } from '../../differential/canonical.js';
import { ask, type Call, decodeAnswer, type Message } from '../../support/calls.js';
import { Client, type Stream } from '../../support/client.js';

const DEADLINE_EXCEEDED = 4;

/** A call under way. */
export interface Pending {
  /** Takes its end down, under the label given when it was begun. */
  end(): Promise<void>;
}

export class Transcript {
  readonly lines: string[] = [];
  /** What came on streams. */
  readonly said: string[] = [];
  readonly address: string;
  readonly client: Client;
  /** Goes with every call from now on; null for none. */
  token: string | null = null;
  readonly #streams: Stream[] = [];
  readonly #clients: Client[] = [];

  constructor(address: string) {
    this.address = address;
    this.client = new Client(address);
  }

  note(label: string, value: unknown): void {
    const text = JSON.stringify(value, (_key, item: unknown) =>
      typeof item === 'bigint' ? `${item}n` : item,
    );
    this.lines.push(`${label}: ${text}`);
  }

  /** Calls, and takes the answer down. */
  async call(label: string, call: Call, request: Message, timeoutMs = 30_000): Promise<void> {
    const reply = await ask(this.client, call, request, { timeoutMs, metadata: this.#metadata() });
    this.#take(label, call, request, reply);
  }

  /** Begins a call that may wait; over a connection of its own, so that it can be given up. */
  begin(label: string, call: Call, request: Message, timeoutMs = 30_000): Pending {
    const client = new Client(this.address);
    this.#clients.push(client);
    const options = { timeoutMs, metadata: this.#metadata() };
    const answer = client.unary(call.path, call.encode(request), options);
    return {
      end: async () => this.#take(label, call, request, decodeAnswer(call, await answer)),
    };
  }

  /** Opens a stream with one request; each message is taken down as it comes. */
  open(label: string, call: Call, request: Message): Stream {
    const options = { metadata: this.#metadata() };
    const stream = this.client.stream(
      call.path,
      (bytes) => {
        const message = call.reply.decode(bytes as unknown as Uint8Array);
        // Apart from the rest: nothing says whether a message comes before the answer to a call.
        this.said.push(`${label} says ${canonicalReply(call, request, message)}`);
      },
      options,
    );
    stream.send(call.encode(request));
    stream.end();
    this.#streams.push(stream);
    return stream;
  }

  #metadata(): Readonly<Record<string, string>> {
    return this.token === null ? {} : { token: this.token };
  }

  close(): void {
    for (const stream of this.#streams) stream.cancel();
    for (const client of [this.client, ...this.#clients]) client.close();
  }

  #take(
    label: string,
    call: Call,
    request: Message,
    reply: { code: number; text: string; message: Message | null },
  ): void {
    const { code, text, message } = reply;
    // The text of a deadline may be the client's own, which sometimes calls it a cancellation.
    const isGivenUp = code === DEADLINE_EXCEEDED || text === 'Call cancelled';
    const error = isGivenUp ? `${DEADLINE_EXCEEDED}` : `${code} ${text}`;
    const said = message === null ? error : canonicalReply(call, request, message);
    this.lines.push(`${label} -> ${said}`);
  }
}

export interface Scenario {
  readonly name: string;
  readonly flags?: readonly string[];
  readonly run: (transcript: Transcript) => Promise<void>;
}
