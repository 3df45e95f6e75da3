// Tests of src/server/replica/disk/grant.ts: when proposals are left to native code, and how they
// come back. Raft and the native side are doubles that note what they are told.

import t from 'tap';

import type { RawNode } from '../../../../../src/raft/index.js';
import { Grant } from '../../../../../src/server/replica/disk/grant.js';

function made(runOperations = 100) {
  const events: string[] = [];
  const state = { isAlone: true, isHandedOut: true, installing: false, refuses: false, last: 7 };
  let told: number[] = [];
  const take = () => Float64Array.from(told.splice(0));
  const grant = new Grant({
    core: {
      grantProposals: (term, first, operations, _bytes, ahead, aheadBytes) => {
        events.push(`grant ${term}/${first}: ${operations}, ${ahead}, ${aheadBytes}`);
        return !state.refuses;
      },
      grantedEntries: () => take(),
      revokeGrant: () => {
        events.push('revoke');
        return take();
      },
    },
    raw: {
      raft: { term: 3, config: { maxUncommittedEntriesSize: 1000 } },
      get isAlone() {
        return state.isAlone;
      },
      get isHandedOut() {
        return state.isHandedOut;
      },
      get lastIndex() {
        return state.last;
      },
      adopt: (term: number, first: number, count: number) => {
        events.push(`adopt ${term}/${first}: ${count}`);
        state.last += count;
      },
      adopted: (term: number, index: number) => events.push(`durable ${term}/${index}`),
    } as unknown as RawNode,
    storage: { adopt: (first, count) => events.push(`store ${first}: ${count}`) },
    quiet: {
      expect: (index) => events.push(`expect ${index}`),
      news: () => events.push('news'),
    },
    batchOperations: { observe: (count) => events.push(`run ${count}`) },
    runOperations,
    installing: () => state.installing,
    revoked: () => events.push('revoked'),
    barrier: () => events.push('barrier'),
  });
  const tell = (...numbers: number[]) => {
    told = numbers;
  };
  return { grant, state, tell, events, seen: () => events.splice(0) };
}

t.test('what is appended is adopted, and committed when it is durable', (t) => {
  const { grant, tell, seen } = made();
  grant.takeOver();
  t.same(seen(), [], 'nothing is asked before there was a grant');
  grant.renew();
  t.ok(grant.holds);
  t.same(seen(), ['grant 3/8: 100, 4096, 1000']);
  grant.renew();
  t.same(seen(), [], 'once');
  tell(9, 8, 2, 1);
  grant.takeOver();
  const adopted = ['run 2', 'run 1', 'store 8: 3', 'adopt 3/8: 3', 'expect 10'];
  t.same(seen(), [...adopted, 'durable 3/9', 'news'], 'storage has them before Raft asks for them');
  grant.takeOver();
  t.same(seen(), [], 'no news');
  tell(10, 11);
  grant.takeOver();
  t.same(seen(), ['durable 3/10', 'news']);
  t.ok(grant.appliesBehind(9));
  t.notOk(grant.appliesBehind(10));
  t.end();
});

t.test('a grant that is taken back leaves nothing behind', (t) => {
  const { grant, tell, seen } = made();
  grant.revoke();
  t.same(seen(), [], 'there is none');
  grant.renew();
  tell(8, 8, 1, 1);
  seen();
  grant.revoke();
  t.notOk(grant.holds);
  const adopted = ['run 1', 'run 1', 'store 8: 2', 'adopt 3/8: 2', 'expect 9', 'durable 3/8'];
  const after = ['barrier', 'revoked'];
  t.same(seen(), ['revoke', ...adopted, 'news', ...after], 'one of them is not durable yet');
  tell(9, 10);
  grant.takeOver();
  t.same(seen(), ['durable 3/9', 'news'], 'it is heard of all the same');
  grant.renew();
  t.same(seen(), ['grant 3/10: 100, 4096, 1000'], 'behind what there is now');
  grant.revoke();
  t.same(seen(), ['revoke', 'revoked'], 'all of it is durable');
  t.end();
});

t.test('nothing is granted where it cannot be', (t) => {
  const { grant, state, seen } = made();
  for (const change of [{ isAlone: false }, { isHandedOut: false }, { installing: true }]) {
    const before = { ...state };
    Object.assign(state, change);
    grant.renew();
    t.notOk(grant.holds, JSON.stringify(change));
    Object.assign(state, before);
  }
  state.refuses = true;
  grant.renew();
  t.notOk(grant.holds, 'the core is stopping');
  seen();
  const waiting = made(0);
  waiting.grant.renew();
  t.same(waiting.events, [], 'proposals wait for others');
  state.refuses = false;
  grant.renew();
  state.isAlone = false;
  t.throws(() => grant.renew(), /taken back before/, 'a change that nobody has announced');
  t.end();
});
