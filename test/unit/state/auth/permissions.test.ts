// Tests of src/state/auth/permissions: unions of granted intervals, held against a check of every
// short key, and the bytes of the table that native code reads.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import type { Permission } from '../../../../src/base/proto/auth-messages.js';
import { Prng } from '../../../../src/server/election/prng.js';
import {
  compareBytes,
  type Interval,
  intervalOf,
  isGrantable,
  merged,
} from '../../../../src/state/auth/permissions/intervals.js';
import { PermissionTable } from '../../../../src/state/auth/permissions/table.js';

const text = (value: string) => bytesOf(Buffer.from(value, 'latin1'));
const permission = (permType: number, key: string, end = ''): Permission => ({
  permType,
  key: text(key),
  range_end: text(end),
});

const show = (intervals: readonly Interval[]) =>
  intervals.map(({ key, end }) => `${key.toString('latin1')}-${end.toString('latin1')}`);

const union = (...ranges: readonly (readonly [string, string?])[]) =>
  show(merged(ranges.map(([key, end]) => intervalOf(permission(0, key, end)))));

t.test('intervals that touch are one', async (t) => {
  t.same(union(), []);
  t.same(union(['a', 'b'], ['b', 'd'], ['d', 'f']), ['a-f']);
  t.same(union(['d', 'f'], ['a', 'b']), ['a-b', 'd-f']);
  t.same(union(['a', 'z'], ['b', 'c']), ['a-z']);
  t.same(union(['a']), ['a-a\0'], 'one key');
  t.same(union(['a'], ['a\0']), ['a-a\0\0'], 'the next key there can be');
  t.same(union(['a'], ['b']), ['a-a\0', 'b-b\0']);
  t.same(union(['c', '\0'], ['a', 'b'], ['d', 'e']), ['a-b', 'c-'], 'without an end');
  t.same(union(['c', '\0'], ['a', 'c']), ['a-']);
  t.same(union(['\0', '\0']), ['\0-']);
  t.same(union(['z', 'b'], ['c', 'c'], ['a', 'b']), ['a-b'], 'intervals that hold nothing');
});

t.test('what may be granted', async (t) => {
  t.notOk(isGrantable(permission(0, '')));
  t.notOk(isGrantable(permission(0, '', '\0')));
  t.ok(isGrantable(permission(0, 'a')));
  t.ok(isGrantable(permission(0, 'a', '\0')));
  t.ok(isGrantable(permission(0, 'a', 'b')));
  t.notOk(isGrantable(permission(0, 'b', 'b')));
  t.notOk(isGrantable(permission(0, 'b', 'a\xff')));
});

/** All strings over three bytes up to three bytes long, in order. */
const points = (() => {
  const bytes = [0, 1, 255];
  const all: Buffer[] = [];
  for (const a of bytes) {
    all.push(Buffer.from([a]));
    for (const b of bytes) {
      all.push(Buffer.from([a, b]));
      for (const c of bytes) all.push(Buffer.from([a, b, c]));
    }
  }
  return all.sort((x, y) => compareBytes(bytesOf(x), bytesOf(y)));
})();

function holds({ key, end }: Interval, point: Buffer): boolean {
  const behind = end.length === 0 || compareBytes(bytesOf(point), bytesOf(end)) < 0;
  return behind && compareBytes(bytesOf(key), bytesOf(point)) <= 0;
}

t.test('a union holds exactly what its parts hold', async (t) => {
  const prng = new Prng(1);
  const pick = () => points[prng.nextBelow(points.length)] as Buffer;
  for (let round = 0; round < 500; round++) {
    const parts = Array.from({ length: prng.nextBelow(7) }, () => {
      const [a, b] = [pick(), pick()].sort((x, y) => compareBytes(bytesOf(x), bytesOf(y)));
      const kind = prng.nextBelow(4);
      const end = kind === 0 ? text('') : kind === 1 ? text('\0') : bytesOf(b as Buffer);
      return { permType: 0, key: bytesOf(a as Buffer), range_end: end };
    }).filter(isGrantable);
    const intervals = parts.map(intervalOf);
    const whole = merged(intervals);
    for (const point of points) {
      const wanted = intervals.some((part) => holds(part, point));
      const found = whole.filter((part) => holds(part, point)).length;
      t.equal(found, wanted ? 1 : 0) || t.comment(round, show(intervals), show(whole), point);
    }
    whole.slice(1).forEach((next, i) => {
      const before = whole[i] as Interval;
      const apart =
        before.end.length > 0 && compareBytes(bytesOf(before.end), bytesOf(next.key)) < 0;
      t.ok(apart, 'sorted, with room between them');
    });
  }
});

/** Reads a table back as native code does. */
function parse(bytes: Buffer) {
  let at = 14;
  const skip = (length: number) => {
    at += length;
    return at - length;
  };
  const u32 = () => bytes.readUInt32LE(skip(4));
  const slice = (length: number) => {
    const from = skip(length);
    return bytes.toString('latin1', from, from + length);
  };
  const intervals = () => Array.from({ length: u32() }, () => `${slice(u32())}-${slice(u32())}`);
  const users = Array.from({ length: bytes.readUInt32LE(10) }, () => {
    const name = slice(u32());
    const isRoot = bytes[skip(1)] === 1;
    return { name, isRoot, reads: intervals(), writes: intervals() };
  });
  t.equal(at, bytes.length, 'nothing is left over');
  const revision = bytes.readBigUInt64LE(2);
  return { version: bytes[0], enabled: bytes[1] === 1, revision, users };
}

t.test('the table', async (t) => {
  const roles = new Map([
    ['r', { permissions: [permission(0, 'a', 'c'), permission(2, 'c', 'e'), permission(9, 'x')] }],
    ['w', { permissions: [permission(1, 'e')] }],
    ['root', { permissions: [permission(2, 'q')] }],
  ]);
  const users = new Map([
    ['ann', { roles: ['r', 'w', 'gone'] }],
    ['none', { roles: [] as string[] }],
    ['root', { roles: ['r', 'root'] }],
  ]);
  const table = new PermissionTable();
  const source = { enabled: true, revision: 2 ** 40, users, roles };
  const wanted = {
    version: 1,
    enabled: true,
    revision: 2n ** 40n,
    users: [
      { name: 'ann', isRoot: false, reads: ['a-e'], writes: ['c-e\0'] },
      { name: 'none', isRoot: false, reads: [], writes: [] },
      { name: 'root', isRoot: true, reads: [], writes: [] },
    ],
  };
  t.same(parse(table.compile(source)), wanted);
  t.same(parse(table.compile(source)), wanted, 'again, from what is kept');
  users.set('ann', { roles: ['w'] });
  table.userChanged('ann');
  t.match(parse(table.compile(source)).users[0], { reads: [], writes: ['e-e\0'] });
  roles.set('w', { permissions: [] });
  table.changed();
  t.match(parse(table.compile(source)).users[0], { reads: [], writes: [] });
  const off = parse(table.compile({ ...source, enabled: false }));
  t.same(off, { version: 1, enabled: false, revision: 2n ** 40n, users: [] });
});
