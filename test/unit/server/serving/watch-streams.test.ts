// Tests of src/server/watch-streams.ts: bytes are carried, credit is given back, streams end once.
// The native side is a double that notes what it is told.

import t from 'tap';

import type { ServerStream } from '../../../../src/base/call.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { type Caller, nobody } from '../../../../src/server/serving/caller.js';
import { WatchStreams } from '../../../../src/server/serving/watch-streams.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';

const rows = nativeErrorRows();
const errors = new ErrorTable(rows);
const asNobody = async () => nobody;

function double(refuse = 0) {
  const told: string[] = [];
  const core = {
    watchOpen: (id: number) => told.push(`open ${id}`),
    watchRequest: (
      id: number,
      request: Uint8Array,
      userName: string,
      revision: number,
      refusal: number,
    ) => {
      const who = userName === '' && refusal === 0 ? '' : ` ${userName}@${revision} ${refusal}`;
      told.push(`request ${id} ${Buffer.from(request)}${who}`);
      return refuse;
    },
    watchCredit: (id: number, bytes: number) => told.push(`credit ${id} ${bytes}`),
    watchClose: (id: number) => told.push(`close ${id}`),
  };
  return { told, streams: new WatchStreams(core, errors) };
}

function client() {
  const requests: (Buffer | null)[] = [];
  const sent: string[] = [];
  const takers: (() => void)[] = [];
  let wake: (() => void) | null = null;
  const stream: ServerStream = {
    receive: async () => {
      while (requests.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return requests.shift() ?? null;
    },
    send: (message, taken) => {
      sent.push(message.toString());
      takers.push(taken ?? (() => undefined));
    },
  };
  const push = (request: string | null) => {
    requests.push(request === null ? null : Buffer.from(request));
    wake?.();
  };
  return { stream, sent, takers, push };
}

const turn = () => new Promise(setImmediate);

t.test('requests go in, messages come out, credit follows what was taken', async (t) => {
  const { told, streams } = double();
  const { stream, sent, takers, push } = client();
  const ending = new AbortController();
  const served = streams.serve(stream, ending.signal, asNobody);
  push('one');
  push('two');
  await turn();
  t.same(told, ['open 1', 'request 1 one', 'request 1 two']);
  streams.deliver(1, Buffer.from('12345'));
  streams.deliver(9, Buffer.from('nobody'));
  t.same(sent, ['12345']);
  t.equal(told.length, 3, 'no credit before it was taken');
  takers[0]?.();
  t.equal(told.at(-1), 'credit 1 5');
  push(null);
  await turn();
  streams.deliver(1, Buffer.from('6'));
  t.equal(sent.length, 2, 'half-close ends nothing');
  ending.abort();
  await served;
  t.equal(told.at(-1), 'close 1');
  takers[1]?.();
  t.equal(told.at(-1), 'close 1', 'no credit for a stream that is gone');
  t.equal(streams.size, 0);
});

t.test('a request that is not one ends the stream with its error', async (t) => {
  const { told, streams } = double(rows.findIndex((row) => row.name === 'Unmarshal'));
  const { stream, push } = client();
  const served = streams.serve(stream, new AbortController().signal, asNobody);
  push('garbage');
  await t.rejects(served, { code: 'Unmarshal' });
  t.equal(told.at(-1), 'close 1');
});

t.test('who asks is found anew for every create request', async (t) => {
  const { told, streams } = double();
  const { stream, push } = client();
  const ending = new AbortController();
  const asked: ((caller: Caller) => void)[] = [];
  const resolveCaller = () => new Promise<Caller>((resolve) => asked.push(resolve));
  const served = streams.serve(stream, ending.signal, resolveCaller);
  push('\x0acreate');
  push('\x12cancel');
  await turn();
  t.same(told, ['open 1'], 'what comes behind waits too: requests keep their order');
  asked[0]?.({ userName: 'ann', authRevision: 7, refusal: null });
  await turn();
  t.same(told.slice(1), ['request 1 \x0acreate ann@7 0', 'request 1 \x12cancel']);
  push('\x0aagain');
  await turn();
  asked[1]?.({ ...nobody, refusal: MetaStoreError.of('InvalidAuthToken') });
  await turn();
  const code = errors.codeOf('InvalidAuthToken');
  t.equal(told.at(-1), `request 1 \x0aagain @0 ${code}`);
  push('\x0alate');
  await turn();
  ending.abort();
  await served;
  asked[2]?.(nobody);
  await turn();
  t.equal(told.at(-1), 'close 1', 'a request of a stream that is gone goes nowhere');
});

t.test('stopping ends all, and none begins afterwards', async (t) => {
  const { told, streams } = double();
  const signal = new AbortController().signal;
  const first = streams.serve(client().stream, signal, asNobody);
  const second = streams.serve(client().stream, signal, asNobody);
  streams.close();
  await t.rejects(first, { code: 'Stopped' });
  await t.rejects(second, { code: 'Stopped' });
  await t.rejects(streams.serve(client().stream, signal, asNobody), { code: 'Stopped' });
  t.same(told, ['open 1', 'open 2'], 'the native side is closed as a whole');
});

t.test('a stream whose client is gone already', async (t) => {
  const { told, streams } = double();
  await streams.serve(client().stream, AbortSignal.abort(), asNobody);
  t.same(told, ['open 1', 'close 1']);
});
