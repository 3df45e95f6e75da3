// Tests of src/server/serving/plane/gate.ts, by itself and in a member over the fake core: what the
// plane may serve natively, when that ends, and what is told to requests whose time is up.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import { ConfChangeType } from '../../../../src/raft/index.js';
import { Member } from '../../../../src/server/member.js';
import {
  type GatedPlane,
  type GateState,
  PlaneGate,
} from '../../../../src/server/serving/plane/gate.js';
import type { GateFlags } from '../../../../src/storage/native-plane.js';
import { FakeAddon, type FakeCore, memberOptions } from '../../../support/fakes/fake-core.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { noPeers } from '../../../support/fakes/no-peers.js';

// Other numbers than the addon's.
const flags: GateFlags = { open: 32, leader: 16, solo: 8, auth: 4, growth: 2, lessor: 1 };

const usual: GateState = {
  leader: 1n,
  leadsApplied: true,
  isAlone: true,
  isLearner: false,
  version: '3.7.0',
  authEnabled: false,
  isPrimaryLessor: true,
};

/** What the plane was told last, by name. */
class FakePlane implements GatedPlane {
  readonly gates: number[] = [];
  readonly learnt: string[] = [];
  readonly expired: number[][] = [];
  forgotten = 0;

  gate(value: number): void {
    this.gates.push(value);
  }
  learnToken(token: string, userName: string, authRevision: number, validMs: number): void {
    this.learnt.push(`${token} ${userName} ${authRevision} ${validMs}`);
  }
  forgetTokens(): void {
    this.forgotten++;
  }
  expire(...ages: number[]): void {
    this.expired.push(ages);
  }

  get names(): string {
    const last = this.gates.at(-1) ?? 0;
    return Object.entries(flags)
      .filter(([, flag]) => (last & flag) !== 0)
      .map(([name]) => name)
      .join(' ');
  }
}

function attached(state: Partial<GateState> = {}) {
  const now = { ...usual, ...state };
  const rules = { quiet: true, full: false };
  const gate = new PlaneGate(() => now);
  const plane = new FakePlane();
  gate.attach(plane, flags, { isQuiet: () => rules.quiet, isFull: () => rules.full });
  return { now: now as { -readonly [K in keyof GateState]: GateState[K] }, rules, gate, plane };
}

t.test('the flags say what there is', async (t) => {
  const cases: readonly [Partial<GateState>, string][] = [
    [{}, 'open leader solo lessor'],
    [{ version: null }, 'leader solo lessor'],
    [{ isLearner: true, isAlone: false, isPrimaryLessor: false }, 'leader'],
    [{ leader: 0n, leadsApplied: false, isPrimaryLessor: false }, 'open'],
    [{ leadsApplied: false }, 'open leader lessor'],
    [{ isAlone: false }, 'open leader lessor'],
    [{ authEnabled: true }, 'open leader solo auth lessor'],
  ];
  for (const [state, expected] of cases) {
    t.equal(attached(state).plane.names, expected, JSON.stringify(Object.keys(state)));
  }
});

t.test('changes are told once each', async (t) => {
  const { now, rules, gate, plane } = attached();
  gate.update();
  t.equal(plane.gates.length, 1);
  now.authEnabled = true;
  gate.update();
  gate.update();
  t.equal(plane.gates.length, 2);
  rules.full = true;
  gate.update();
  t.equal(plane.names, 'open leader solo auth growth lessor');
  rules.quiet = false;
  gate.update();
  t.notMatch(plane.names, /open/);
});

t.test('nothing is served natively while an entry is decided', async (t) => {
  const { now, gate, plane } = attached();
  gate.deciding(() => {
    t.equal(plane.names, 'leader lessor', 'before anything has changed');
    t.equal(plane.forgotten, 1);
    now.isAlone = false;
    gate.update();
    t.notMatch(plane.names, /solo/);
  });
  t.equal(plane.names, 'open leader lessor', 'nor alone afterwards, with another member');
  now.isAlone = true;
  gate.deciding(() => undefined);
  t.match(plane.names, /solo/);
  t.equal(plane.forgotten, 4);
});

t.test('a closed gate stays closed', async (t) => {
  const { gate, plane } = attached();
  gate.close();
  t.equal(plane.gates.at(-1), 0);
  gate.update();
  gate.deciding(() => undefined);
  t.equal(plane.gates.at(-1), 0);
});

t.test('a token is only learnt by who has looked since the last change', async (t) => {
  const { gate, plane } = attached();
  const { generation } = gate;
  gate.learnToken('t1', 'u', 5, generation);
  t.strictSame(plane.learnt, ['t1 u 5 1000']);
  gate.forgetTokens();
  gate.learnToken('t2', 'u', 5, generation);
  t.equal(plane.learnt.length, 1, 'what was found may not hold any more');
  gate.learnToken('t2', 'u', 6, gate.generation);
  t.equal(plane.learnt.length, 2);
});

t.test('without a plane nothing is asked', async (t) => {
  const gate = new PlaneGate(() => {
    throw new Error('nobody wants to know');
  });
  gate.update();
  gate.forgetTokens();
  gate.learnToken('t', 'u', 1, gate.generation);
  gate.expire(1, () => {
    throw new Error('nobody wants to know');
  });
  gate.deciding(() => undefined);
  gate.close();
  t.pass();
});

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

async function settle(core: FakeCore): Promise<void> {
  for (let i = 0; i < 12; i++) {
    for (let j = 0; j < 6; j++) {
      await new Promise(setImmediate);
    }
    core.flushLog();
    core.applyAll();
  }
}

async function openMember() {
  const addon = new FakeAddon();
  const clock = new ManualClock();
  const options = memberOptions((message) => {
    throw new Error(message);
  });
  const member = await Member.open(addon, options, clock, log, noPeers);
  const core = addon.core as FakeCore;
  const plane = new FakePlane();
  member.gate.attach(plane, flags, { isQuiet: () => true, isFull: () => false });
  return { member, core, clock, plane, options };
}

t.test('a member opens the gate step by step, and closes it first', async (t) => {
  const { member, core, plane } = await openMember();
  t.equal(plane.names, '', 'nobody leads, no version');
  const started = member.start();
  await settle(core);
  await started;
  t.equal(plane.names, 'open leader solo lessor');
  const solo = plane.gates.findIndex((gate) => (gate & flags.solo) !== 0);
  const leader = plane.gates.findIndex((gate) => (gate & flags.leader) !== 0);
  t.ok(leader < solo, 'to lead is not enough: an entry of the term has to be applied');
  await member.stop();
  t.equal(plane.gates.at(-1), 0);
});

t.test('no read goes alone once another voter is decided on', async (t) => {
  const { member, core, plane } = await openMember();
  const started = member.start();
  await settle(core);
  await started;
  const change = {
    id: 99n,
    type: ConfChangeType.AddNode,
    nodeId: 77n,
    context: null,
  };
  const before = plane.gates.length;
  const proposed = member.proposeConfChange(change);
  proposed.catch(() => undefined);
  await settle(core);
  const since = plane.gates.slice(before);
  t.ok(since.length > 0);
  t.equal((since[0] ?? 0) & flags.solo, 0, 'the first word takes it back');
  await member.stop();
});

t.test('every tick ends what is too old', async (t) => {
  const { member, core, clock, plane, options } = await openMember();
  const started = member.start();
  await settle(core);
  await started;
  plane.expired.length = 0;
  clock.advance(options.heartbeatMs);
  await settle(core);
  const [ages = []] = plane.expired;
  t.equal(ages[0], options.requestTimeoutMs);
  const [, from = 0, to = 0, connected] = ages;
  t.equal(from - to, 2 * options.electionTicks * options.heartbeatMs);
  t.equal(connected, Number.POSITIVE_INFINITY, 'who is alone loses no connection');
  await member.stop();
});
