// txn as etcdctl reads it from standard input: every comparison, both branches, errors. Called by
// etcdctl.test.ts.

import { captureRevision, run, type Step } from '../step.js';

function txn(
  compares: readonly string[],
  success: readonly string[],
  failure: readonly string[],
): string {
  return [...compares, '', ...success, '', ...failure, '', ''].join('\n');
}

const targets: readonly (readonly [string, string])[] = [
  ['mod', '${start+2}'],
  ['m', '${start+2}'],
  ['create', '${start+1}'],
  ['c', '${start+1}'],
  ['version', '2'],
  ['ver', '2'],
  ['value', 'n'],
  ['val', 'n'],
];

const compares = targets.flatMap(([target, value]) =>
  ['=', '<', '>', '!='].map((operator) =>
    run('txn', {
      stdin: txn([`${target}("t/a") ${operator} "${value}"`], ['get t/a'], ['get t/none']),
    }),
  ),
);

export const transactions: readonly Step[] = [
  captureRevision('start'),
  run('put t/a m'),
  run('put t/a n'),
  ...compares,
  run('lease grant 600', { capture: { name: 'lease', pattern: /lease (\w+) gr/, isId: true } }),
  run('put t/leased 1 --lease=${lease}'),
  run('txn', { stdin: txn(['lease("t/leased") = "0"'], ['get t/a'], ['get t/leased']) }),
  run('txn', { stdin: txn(['lease("t/a") = "0"'], ['get t/a'], ['get t/leased']) }),
  run('txn', { stdin: txn(['lease("t/leased") > "0"'], ['get t/a'], ['get t/leased']) }),
  run('txn', { stdin: txn(['mod("t/none") = "0"'], ['put t/none 1'], ['get t/none']) }),
  run('txn', { stdin: txn(['mod("t/none") = "0"'], ['put t/none 2'], ['get t/none']) }),
  run('txn', { stdin: txn(['val("t/a") = "n"', 'ver("t/a") = "1"'], ['get t/a'], ['del t/a']) }),
  run('txn', { stdin: txn([], ['put t/b 1', 'put t/c 2', 'get t/ --prefix', 'del t/d'], []) }),
  run('txn -w json', { stdin: txn([], ['put t/b 2 --prev-kv', 'get t/b', 'del t/c'], []) }),
  run('txn -w fields', { stdin: txn([], ['put t/b 3', 'get t/b'], []) }),
  run('txn -w protobuf', {
    stdin: txn([], ['put t/b 4', 'get t/b', 'del t/b --prev-kv'], []),
    isProtobuf: true,
  }),
  run('txn -i', { stdin: txn(['val("t/a") = "n"'], ['get t/a'], ['get t/none']) }),
  run('txn', { stdin: txn([], [], []) }),
  run('txn', { stdin: txn([], ['put t/x 1', 'put t/x 2'], []) }),
  run('txn', { stdin: txn([], ['put t/x 1', 'del t/x'], []) }),
  run('txn', { stdin: txn([], ['put t/x 1 --lease=7ffffffffff'], []) }),
  run('txn', { stdin: txn([], ['get t/a --rev=999999'], []) }),
  run('txn', { stdin: txn([], ['put t/x --ignore-value'], []) }),
  run('txn', { stdin: txn(['colour("t/a") = "1"'], [], []) }),
  run('txn', { stdin: txn(['mod("t/a") ~ "1"'], [], []) }),
  run('txn', { stdin: txn(['mod("t/a") = "one"'], [], []) }),
  run('txn', { stdin: txn([], ['jump t/a'], []) }),
  run('txn', {
    stdin: txn(
      [],
      Array.from({ length: 128 }, (_, index) => `put t/many/${index} v`),
      [],
    ),
  }),
  run('txn', {
    stdin: txn(
      [],
      Array.from({ length: 129 }, (_, index) => `put t/more/${index} v`),
      [],
    ),
  }),
  run('get t/ --prefix -w json', {
    normalize: (text) => text.replace(/"lease":\d+/g, '"lease":1'),
  }),
];
