// Random calls about users, roles and permissions, and calls by those users whose outcome hangs on
// them. Names, keys and passwords come from small pools, so that they meet. Called by run.ts; who
// makes a call is named by a session, which each server has a token of its own for.

import { Random } from '../../differential/values.js';
import { authCalls, type Call, calls, type Message } from '../../support/calls.js';

/** Who makes a call. */
export type Who =
  | { readonly kind: 'nobody' }
  /** Logged in before; `index` counts logins that worked. */
  | { readonly kind: 'session'; readonly index: number }
  /** A text in place of a token, the same for all servers. */
  | { readonly kind: 'text'; readonly key: 'token' | 'authorization'; readonly text: string }
  /** A token that the test signs, at an auth revision so far from the current one. */
  | { readonly kind: 'signed'; readonly userName: string; readonly distance: number };

export interface Step {
  readonly kind: 'unary' | 'watch' | 'keep-alive';
  readonly call: Call;
  readonly request: Message;
  readonly who: Who;
}

const users = ['root', 'ann', 'bob', 'eve', 'zoë', ''];
const signers = ['root', 'ann', 'bob', 'eve', 'nobody'];
const roles = ['root', 'reader', 'writer', 'both', 'r/1', ''];
const passwords = ['p', 'q', 'p\0q', 'passwörd', '', 'x'.repeat(72), 'x'.repeat(73)];
const keys = ['a', 'b', 'c', 'd', 'e', 'a\0', 'ab', 'z', '\xff'].map((text) =>
  Buffer.from(text, 'latin1'),
);
const none = Buffer.alloc(0);
const ends = [...keys, none, none, none, Buffer.from([0])];
// Few, so that what is granted is granted again and revoked.
const granted = ['a', 'c', 'd', 'z', ''].map((text) => Buffer.from(text));
const grantedEnds = ['', 'd', 'e', '\0'].map((text) => Buffer.from(text));
const leases = [1n, 2n, 3n, 77n];
/** Long enough that none expires during a run. */
const LEASE_TTL = 100_000n;

const texts = ['', 'x', 'abc.1', 'abc.x', 'a.b.c', 'abc.-1', 'abc.0', 'Bearer abc.1', 'Basic eDp5'];

export class Generator {
  readonly #random: Random;
  readonly #signs: boolean;
  /** Logins that worked so far. */
  sessions = 0;
  /** The session of root that is known to work; calls that must succeed are made by it. */
  rootSession = 0;

  /** @param signs whether tokens are signed with a key that the test knows */
  constructor(seed: number, signs: boolean) {
    this.#random = new Random(seed);
    this.#signs = signs;
  }

  next(): Step {
    const random = this.#random;
    return random.weighted<() => Step>([
      [30, () => this.#manage()],
      [8, () => this.#login()],
      [50, () => this.#data()],
      [8, () => this.#lease()],
      [4, () => this.#watch()],
      [4, () => this.#other()],
    ])();
  }

  #who(): Who {
    const random = this.#random;
    return random.weighted<() => Who>([
      [60, () => this.#session()],
      [this.#signs ? 30 : 0, () => this.#signed()],
      [4, () => ({ kind: 'nobody' })],
      [3, () => ({ kind: 'text', key: this.#tokenKey(), text: random.pick(texts) })],
    ])();
  }

  #tokenKey(): 'token' | 'authorization' {
    return this.#random.chance(50) ? 'token' : 'authorization';
  }

  #session(): Who {
    const recent = Math.max(0, this.sessions - 8);
    const index = recent + this.#random.below(Math.max(1, this.sessions - recent));
    return { kind: 'session', index };
  }

  #signed(): Who {
    const distance = this.#random.pick([0, 0, 0, -1, 1]);
    return { kind: 'signed', userName: this.#random.pick(signers), distance };
  }

  #root(): Who {
    return this.#random.chance(80) ? { kind: 'session', index: this.rootSession } : this.#who();
  }

  #unary(call: Call, request: Message, who: Who): Step {
    return { kind: 'unary', call, request, who };
  }

  #login(): Step {
    const request = { name: this.#random.pick(users), password: this.#random.pick(passwords) };
    const who = this.#random.chance(90) ? ({ kind: 'nobody' } as const) : this.#who();
    return this.#unary(authCalls.authenticate, request, who);
  }

  #manage(): Step {
    const random = this.#random;
    const name = random.pick(users);
    const role = random.pick(roles);
    const password = random.pick(passwords);
    const perm = {
      permType: random.pick([0, 0, 1, 1, 2, 2, 3]),
      key: random.pick(granted),
      range_end: random.pick(grantedEnds),
    };
    const range = { key: perm.key, range_end: perm.range_end };
    const hashedPassword = random.chance(10) ? 'aGFzaA==' : '';
    const options = random.pick([null, null, null, { no_password: true }, { no_password: false }]);
    // The password of root stays, so that somebody can always log in.
    const other = name === 'root' ? 'ann' : name;
    const rows: readonly (readonly [number, Call, Message])[] = [
      [3, authCalls.userAdd, { name, password, options, hashedPassword }],
      [1, authCalls.userDelete, { name }],
      [2, authCalls.userChangePassword, { name: other, password, hashedPassword }],
      [2, authCalls.userGet, { name }],
      [1, authCalls.userList, {}],
      [5, authCalls.userGrantRole, { user: name, role }],
      [2, authCalls.userRevokeRole, { name, role }],
      [3, authCalls.roleAdd, { name: role }],
      [0.5, authCalls.roleDelete, { role }],
      [2, authCalls.roleGet, { role }],
      [1, authCalls.roleList, {}],
      [8, authCalls.roleGrantPermission, { name: role, perm }],
      [0.5, authCalls.roleGrantPermission, { name: role }],
      [7, authCalls.roleRevokePermission, { role, ...range }],
      [1, authCalls.status, {}],
      [0.5, authCalls.enable, {}],
      [0.1, authCalls.disable, {}],
    ];
    const [call, request] = random.weighted(rows.map(([weight, ...row]) => [weight, row] as const));
    return this.#unary(call, request, this.#root());
  }

  /**
   * A key and an end behind it. Whether a range that ends before it begins is permitted hangs on
   * the order in which etcd was given permissions; it holds nothing, so that is left out here.
   */
  #ends(): { key: Buffer; range_end: Buffer } {
    const key = this.#random.pick([...keys, ...keys, none]);
    const end = this.#random.pick(ends);
    const isRange = end.length === 0 || end[0] === 0 || Buffer.compare(key, end) < 0;
    return { key, range_end: isRange ? end : none };
  }

  #range(): Message {
    const random = this.#random;
    return {
      ...this.#ends(),
      serializable: random.chance(40),
      revision: random.chance(3) ? 1_000_000n : 0n,
    };
  }

  #put(): Message {
    const random = this.#random;
    const lease = random.chance(30) ? random.pick(leases) : 0n;
    const key = random.pick([...keys, ...keys, none]);
    return { key, value: Buffer.from('v'), lease, prev_kv: random.chance(20) };
  }

  #delete(): Message {
    return { ...this.#ends(), prev_kv: this.#random.chance(20) };
  }

  #operation(depth: number): Message {
    const random = this.#random;
    const txn = (): Message => ({ request_txn: this.#txn(depth + 1) });
    return random.weighted<() => Message>([
      [4, () => ({ request_range: this.#range() })],
      [3, () => ({ request_put: this.#put() })],
      [1, () => ({ request_delete_range: this.#delete() })],
      [depth < 2 ? 0.5 : 0, txn],
    ])();
  }

  #txn(depth: number): Message {
    const random = this.#random;
    const several = <T>(make: () => T): T[] => Array.from({ length: random.below(3) }, make);
    return {
      compare: several(() => ({
        ...this.#ends(),
        target: 0,
        result: random.below(3),
        version: 1n,
      })),
      success: several(() => this.#operation(depth)),
      failure: several(() => this.#operation(depth)),
    };
  }

  #data(): Step {
    const rows: readonly (readonly [number, Call, () => Message])[] = [
      [8, calls.range, () => this.#range()],
      [8, calls.put, () => this.#put()],
      [3, calls.deleteRange, () => this.#delete()],
      [4, calls.txn, () => this.#txn(0)],
      [0.3, calls.compact, () => ({ revision: BigInt(this.#random.below(20)) })],
    ];
    const [call, request] = this.#random.weighted(
      rows.map(([weight, ...row]) => [weight, row] as const),
    );
    return this.#unary(call, request(), this.#who());
  }

  #lease(): Step {
    const random = this.#random;
    const ID = random.pick(leases);
    return random.weighted<() => Step>([
      [4, () => this.#unary(calls.leaseGrant, { ID, TTL: LEASE_TTL }, this.#who())],
      [2, () => this.#unary(calls.leaseRevoke, { ID }, this.#who())],
      [3, () => ({ kind: 'keep-alive', call: calls.keepAlive, request: { ID }, who: this.#who() })],
      [4, () => this.#unary(calls.leaseTimeToLive, { ID, keys: random.chance(70) }, this.#who())],
      [3, () => this.#unary(calls.leaseLeases, {}, this.#who())],
    ])();
  }

  #watch(): Step {
    const create_request = {
      ...this.#ends(),
      start_revision: this.#random.chance(10) ? -1n : 0n,
    };
    return { kind: 'watch', call: calls.watch, request: { create_request }, who: this.#who() };
  }

  #other(): Step {
    const rows: readonly (readonly [Call, Message])[] = [
      [calls.status, {}],
      [calls.alarm, {}],
      [calls.alarm, { action: 2, memberID: 5n, alarm: 1 }],
      [calls.memberList, {}],
      [calls.memberPromote, { ID: 5n }],
      [calls.hashKv, {}],
      [calls.moveLeader, { targetID: 5n }],
      [calls.defragment, {}],
    ];
    const [call, request] = this.#random.pick(rows);
    return this.#unary(call, request, this.#who());
  }
}
