// lease grant, revoke, timetolive, list and keep-alive, and a key that expires. Called by
// etcdctl.test.ts.

import { run, type Step } from '../step.js';

const grant = (ttl: number, name: string): Step =>
  run(`lease grant ${ttl}`, { capture: { name, pattern: /lease (\w+) gr/, isId: true } });

/** Seconds that remain differ by one between servers now and then. */
const remaining = (text: string) =>
  text
    .replace(/remaining\(\d+s\)/g, 'remaining(<s>)')
    .replace(/"ttl":\d+/g, '"ttl":0')
    .replace(/"TTL" : \d+/g, '"TTL" : 0');

const sortKeys = (text: string) =>
  remaining(text).replace(/keys\(\[(.*)\]\)/, (_, keys: string) => {
    return `keys([${keys.split(' ').sort().join(' ')}])`;
  });

const expiring: readonly Step[] = [
  grant(0, 'zero'),
  run('lease grant -- -1', { capture: { name: 'minus', pattern: /lease (\w+) gr/, isId: true } }),
  grant(2, 'short'),
  run('put e/a 1 --lease=${short}'),
  run('put e/b 1 --lease=${short}'),
  run('watch e/ --prefix --prev-kv', { streaming: { lines: 10 } }),
  run('get e/ --prefix'),
  run('lease timetolive ${short}'),
  run('put e/a 1 --lease=${short}'),
  run('lease keep-alive ${short}'),
  run('lease keep-alive ${short} --once'),
];

export const leases: readonly Step[] = [
  run('lease list'),
  grant(600, 'first'),
  grant(700, 'second'),
  run('lease grant many'),
  run('lease grant 9000000001'),
  run('lease grant'),
  run('lease list', { isUnordered: true }),
  run('put l/a 1 --lease=${first}'),
  run('put l/b 2 --lease=${first}'),
  run('put l/c 3 --lease=${second}'),
  run('lease timetolive ${first}', { normalize: remaining }),
  run('lease timetolive ${first} --keys', { normalize: sortKeys }),
  run('lease timetolive ${second} --keys -w json', { normalize: remaining }),
  run('lease timetolive ${second} --keys -w fields', { normalize: remaining }),
  run('lease timetolive 7ffffffffff'),
  run('lease timetolive 7ffffffffff --keys -w json'),
  run('lease timetolive xyz'),
  run('put l/a 4 --lease=${second}'),
  run('lease timetolive ${first} --keys', { normalize: sortKeys }),
  run('lease timetolive ${second} --keys', { normalize: sortKeys }),
  run('lease keep-alive ${first} --once'),
  run('lease keep-alive ${first} --once -w json'),
  run('lease keep-alive 7ffffffffff --once'),
  run('lease keep-alive 7ffffffffff'),
  grant(3, 'kept'),
  run('put l/kept 1 --lease=${kept}'),
  run('lease keep-alive ${kept}', { streaming: { lines: 4 } }),
  run('get l/kept'),
  run('lease revoke ${kept}'),
  run('get l/kept'),
  run('lease revoke ${first}'),
  run('lease revoke ${first}'),
  run('lease revoke ${second} -w json'),
  run('lease revoke 7ffffffffff'),
  run('lease revoke xyz'),
  run('get l/ --prefix'),
  ...expiring,
];
