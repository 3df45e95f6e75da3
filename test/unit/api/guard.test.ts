// Tests of src/api/guard.ts: the common checks in their order, and streams that end early.
// Handlers here only say that they were reached.

import t from 'tap';

import { guarded, OpenStreams } from '../../../src/api/guard.js';
import type { CallContext, ServerStream } from '../../../src/base/call.js';

function member(fields: { leader?: bigint; isLearner?: boolean; version?: string | null } = {}) {
  return {
    leader: fields.leader ?? 1n,
    isLearner: fields.isLearner ?? false,
    membership: { version: fields.version === undefined ? '3.7.0' : fields.version },
  };
}

function context(metadata: Record<string, string> = {}, signal = new AbortController().signal) {
  const made: CallContext = {
    metadata: (name) => metadata[name],
    peer: 'p',
    commonName: null,
    signal,
  };
  return made;
}

const stream: ServerStream = {
  receive: () => new Promise(() => undefined),
  send: () => undefined,
};

const reply = async () => Buffer.from('reached');

async function outcome(
  state: ReturnType<typeof member>,
  metadata: Record<string, string> = {},
  onLearner = false,
): Promise<string> {
  const handler = guarded(
    { kind: 'unary', handle: reply },
    state,
    new OpenStreams(state),
    () => onLearner,
  );
  if (handler.kind !== 'unary') {
    return 'not unary';
  }
  return handler.handle(context(metadata), Buffer.alloc(0)).then(
    (bytes) => bytes.toString(),
    (error: { code: string }) => error.code,
  );
}

t.test('the first check that fails decides', async (t) => {
  const bad = { 'client-api-version': '\xff', hasleader: 'true' };
  const nothing = member({ version: null, isLearner: true, leader: 0n });
  t.equal(await outcome(nothing, bad), 'NotCapable');
  const learner = member({ isLearner: true, leader: 0n });
  t.equal(await outcome(learner, bad), 'NotSupportedForLearner');
  t.equal(await outcome(learner, bad, true), 'InvalidClientApiVersion');
  const leaderless = member({ leader: 0n });
  t.equal(await outcome(leaderless, { hasleader: 'true' }), 'NoLeader');
  t.equal(await outcome(leaderless, { hasleader: 'yes' }), 'reached');
  t.equal(await outcome(member(), { hasleader: 'true', 'client-api-version': '3.7' }), 'reached');
  const german = Buffer.from('größe').toString('latin1');
  t.equal(await outcome(member(), { 'client-api-version': german }), 'reached', 'UTF-8 is fine');
});

t.test('streams that require a leader end after three polls without one', async (t) => {
  const state = member();
  const streams = new OpenStreams(state);
  let sawAbort = false;
  const handler = guarded(
    {
      kind: 'stream',
      handle: (inner) =>
        new Promise((_resolve) => {
          inner.signal.addEventListener('abort', () => {
            sawAbort = true;
          });
        }),
    },
    state,
    streams,
    () => false,
  );
  if (handler.kind !== 'stream') {
    t.fail('a stream stays one');
    return;
  }
  const strict = handler.handle(context({ hasleader: 'true' }), stream);
  const lenient = handler.handle(context(), stream);
  let lenientEnded = false;
  lenient.catch(() => {
    lenientEnded = true;
  });
  state.leader = 0n;
  streams.poll();
  streams.poll();
  state.leader = 1n;
  streams.poll();
  state.leader = 0n;
  streams.poll();
  streams.poll();
  await new Promise(setImmediate);
  t.notOk(sawAbort, 'a short change of leaders ends nothing');
  streams.poll();
  await t.rejects(strict, { code: 'NoLeader' });
  t.ok(sawAbort, 'its handler learns of it');
  t.notOk(lenientEnded);
  streams.stop();
  await t.rejects(lenient, { code: 'Stopped' });
  await t.rejects(handler.handle(context(), stream), { code: 'Stopped' });
});
