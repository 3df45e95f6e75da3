// Bodies of requests: one message, or messages one after the other out of chunks that fall
// anywhere; what is too large, what is no JSON, and the end of a stream of answers.

import t from 'tap';

import { GatewayStream } from '../../../../src/api/http/gateway/calls.js';
import { GatewayCall } from '../../../../src/api/http/gateway/context.js';
import { decodeJson } from '../../../../src/api/http/gateway/json/decode.js';
import { shapeOf } from '../../../../src/api/http/gateway/json/shape.js';
import {
  bodyLimits,
  firstMessage,
  MessageSource,
} from '../../../../src/api/http/gateway/requests.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { methodTypes } from '../../../../src/base/proto/codec.js';

const { request } = methodTypes('etcdserverpb.Lease.LeaseKeepAlive');
const shape = shapeOf(request);

/** Ids of the messages in a body that comes in chunks of a size. */
async function ids(text: string, size: number, limit = 1000): Promise<string[]> {
  async function* chunks() {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const decode = (value: string) => decodeJson(shape, value);
  const source = new MessageSource(decode, chunks(), bodyLimits(limit));
  const found: string[] = [];
  for (;;) {
    const message = await source.next();
    if (message === null) return found;
    const { ID } = request.toObject(request.decode(message as unknown as Uint8Array), {
      longs: String,
      defaults: true,
    });
    found.push(String(ID));
  }
}

t.test('messages out of chunks', async (t) => {
  const table: [string, string[]][] = [
    ['', []],
    ['  \n', []],
    ['{"ID":1}', ['1']],
    [' {"ID":1}\n{"ID":"2"}{"ID":3.0} ', ['1', '2', '3']],
    ['{"é日本":"é","ID":4}{}', ['4', '0']],
    ['{"ID":1}x{"ID":2}', ['1']],
    ['{"ID":1}{"ID":"x"}{"ID":2}', ['1']],
    ['{"ID":1}{"ID":', ['1']],
    ['5{"ID":1}', []],
    ['null', []],
    ['nonsense', []],
  ];
  for (const [text, expected] of table) {
    for (const size of [1, 2, 5, 64]) {
      t.same(await ids(text, size), expected, `${JSON.stringify(text)} by ${size}`);
    }
  }
});

t.test('what is too large is refused before it is kept', async (t) => {
  const long = `{"x":"${'y'.repeat(3_000_000)}"`;
  await t.rejects(ids(long, 65_536), { code: 'MessageTooLarge' });
  const blanks = ' '.repeat(5_000_000);
  t.same(await ids(`${blanks}{"ID":1}`, 65_536), ['1'], 'blanks are not kept');
});

t.test('others have their turns while a long body is looked at', async (t) => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  const found = await ids(`{"x":"${'y'.repeat(900_000)}"}${'{}'.repeat(2_000)}`, 2_000_000, 9e5);
  clearInterval(timer);
  t.equal(found.length, 2_001);
  t.ok(turns >= 8, `${turns} turns`);
});

t.test('the first message of a body', async (t) => {
  const hex = async (text: string) => firstMessage(shape, Buffer.from(text)).toString('hex');
  t.equal(await hex(''), '');
  t.equal(await hex(' \n '), '');
  t.equal(await hex('{"ID":1} and more'), '0801');
  t.equal(await hex(`{"x":"${'y'.repeat(400_000)}","ID":2}`), '0802', 'behind a long value');
  for (const text of ['{', '{"ID":', '"x', '-', 'tru']) {
    await t.rejects(hex(text), { message: 'unexpected EOF' }, text);
  }
  await t.rejects(hex('5'), { message: 'proto: syntax error (line 1:1): unexpected token 5' });
});

const noHeaders = { metadata: new Map<string, string>(), timeoutMs: null, refusal: null };
const backend = { handlers: new Map(), errors: new ErrorTable([]) };

t.test('a stream of answers', async (t) => {
  const newCall = () => new GatewayCall(noHeaders, 'p', new AbortController().signal);

  t.test('messages wait until they are pulled, then comes the end', async (t) => {
    const stream = new GatewayStream(async () => null);
    let taken = 0;
    const running = stream.run(
      backend,
      async (_call, answers) => {
        answers.send(Buffer.from('a'), () => (taken += 1));
        answers.send(Buffer.from('b'));
      },
      newCall(),
    );
    await stream.ready();
    await running;
    t.equal(stream.outcome, null, 'not over before all is pulled');
    const first = stream.pull();
    t.equal(first?.message.toString(), 'a');
    t.equal(taken, 0);
    first?.taken?.();
    t.equal(taken, 1);
    t.equal(stream.pull()?.message.toString(), 'b');
    t.same(stream.outcome, { error: null });
  });

  t.test('errors come after what was sent', async (t) => {
    const stream = new GatewayStream(async () => null);
    await stream.run(
      backend,
      async (_call, answers) => {
        answers.send(Buffer.from('a'));
        throw MetaStoreError.of('MessageTooLarge', 'text');
      },
      newCall(),
    );
    t.equal(stream.pull()?.message.toString(), 'a');
    t.same(stream.outcome, { error: { code: 8, text: 'text' } });
  });

  t.test('whoever waits is let go when the client goes', async (t) => {
    const gone = new AbortController();
    const call = new GatewayCall(noHeaders, 'p', gone.signal);
    const stream = new GatewayStream(async () => null);
    let handled = false;
    const running = stream.run(
      backend,
      async (_call, answers) => {
        await new Promise<void>((resolve) => answers.send(Buffer.from('a'), resolve));
        handled = true;
      },
      call,
    );
    gone.abort();
    await running;
    stream.abandon();
    t.ok(handled, 'the handler has gone on');
    t.match(stream.outcome, { error: { text: 'ContextCanceled' } });
    t.ok(call.over);
  });

  t.test('a handler that sends without measure is stopped', async (t) => {
    const stream = new GatewayStream(async () => null);
    const chunk = Buffer.alloc(1 << 20);
    const running = stream.run(
      backend,
      (_call, answers) =>
        new Promise<never>(() => {
          for (let i = 0; i < 100; i += 1) answers.send(chunk);
        }),
      newCall(),
    );
    await running;
    stream.abandon();
    t.match(stream.outcome, { error: { text: 'TooManyRequests' } });
  });
});
