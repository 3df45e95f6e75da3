// put, get and del with every option and output format. Called by etcdctl.test.ts, which runs each
// step on all servers and compares.

import { captureRevision, run, runAll, type Step } from '../step.js';

const targets = ['CREATE', 'KEY', 'MODIFY', 'VALUE', 'VERSION'];

// Written so that no two keys tie in any sort target but where it is meant to be undefined.
const fill = runAll(`
  put k/b 9
  put k/c 8
  put k/a 7
  put k/c 6
  put k/b 5
  put k/b 55
  put k/d 4
  put k/d 3
  put k/d 2
  put k/d 1
  put l/x other
  put k 0
`);

const sorted = targets.flatMap((target) => [
  run(`get k/ --prefix --sort-by=${target}`),
  run(`get k/ --prefix --sort-by=${target} --order=ASCEND`),
  run(`get k/ --prefix --sort-by=${target} --order=DESCEND --limit=2`),
]);

const formats = ['simple', 'json', 'fields', 'protobuf'].flatMap((format) => {
  const rest = format === 'protobuf' ? { isProtobuf: true } : {};
  return [
    run(`get k/ --prefix -w ${format}`, rest),
    run(`get k/ --prefix --limit=2 -w ${format}`, rest),
    run(`get nothing -w ${format}`, rest),
    run(`put k/f 1 --prev-kv -w ${format}`, rest),
    run(`put k/f 2 --prev-kv -w ${format}`, rest),
    run(`del k/f --prev-kv -w ${format}`, rest),
    run(`del k/f -w ${format}`, rest),
  ];
});

const bounds = ['min-mod', 'max-mod', 'min-create', 'max-create'].flatMap((bound) => [
  run(`get k/ --prefix --${bound}-rev=\${start+5} -w json`, { since: '3.7' }),
  run(`get k/ --prefix --${bound}-rev=\${start+5} --count-only -w json`, { since: '3.7' }),
]);

const puts: Step[] = [
  run(['put', 'p/empty', '']),
  run('get p/empty -w json'),
  run(['put', '--', 'p/dash', '-value']),
  run('get p/dash'),
  run('put p/stdin', { stdin: 'two\nlines\n' }),
  run('get p/stdin -w json'),
  run(['put', 'p/blank key', 'a value']),
  run(['get', 'p/blank key', '-w', 'fields']),
  run(['put', 'p/ünï', '✓ \u0001']),
  run(['get', 'p/ünï']),
  run(['get', 'p/ünï', '--hex']),
  run('lease grant 600', { capture: { name: 'lease', pattern: /lease (\w+) gr/, isId: true } }),
  run('put p/leased 1 --lease=${lease}'),
  run('get p/leased -w json', { normalize: (text) => text.replace(/"lease":\d+/, '"lease":1') }),
  run('put p/leased --ignore-value'),
  run('get p/leased -w fields'),
  run('put p/leased 2 --lease=${lease}'),
  run('put p/leased 3 --ignore-lease'),
  run('get p/leased -w fields'),
  run('put p/none --ignore-value'),
  run('put p/none 1 --ignore-lease'),
  run('put p/leased 2 --ignore-value'),
  run('put p/leased 2 --ignore-lease --lease=${lease}'),
  run('put p/leased 2 --lease=7fffffffffff'),
  run('put p/leased 2 --lease=zz'),
  run(['put', '', 'x']),
  run('put'),
  run('put p/large', { stdin: Buffer.alloc(1024 * 1024, 'x') }),
  run('get p/large --keys-only'),
  run('put p/too-large', { stdin: Buffer.alloc(1536 * 1024 + 1, 'x') }),
  run('get p/too-large'),
];

const gets: Step[] = [
  ...runAll(`
    get k/b
    get k/ --prefix
    get k/b k/d
    get k/d k/b
    get k/b k/b
    get k/b --from-key
    get k/d --from-key --limit=1
    get k/ --prefix --keys-only
    get k/ --prefix --keys-only -w json
    get k/ --prefix --print-value-only
    get k/ --prefix --print-value-only -w json
    get k/ --prefix --limit=1
    get k/ --prefix --limit=0
    get k/ --prefix --limit=100
    get k/ --prefix --consistency=s
    get k/ --prefix --consistency=l
    get k/ --prefix --consistency=x
    get k/ --prefix --hex
    get k/ --prefix --hex --keys-only
    get k/ --prefix --rev=\${start}
    get k/ --prefix --rev=\${start+4}
    get k/b --rev=\${start+4} -w json
    get k/ --prefix --rev=\${start+9} -w json
    get k/ --prefix --rev=999999
    get k/ --prefix --rev=-1
    get k/b k/c --prefix
    get k/b --prefix --from-key
    get k/ --prefix --order=SIDEWAYS
    get k/ --prefix --sort-by=COLOUR
    get k/ --prefix --order=DESCEND
    get k/ --prefix --order=DESCEND --limit=2 --keys-only
    get
    get a b c
  `),
  run(['get', '', '--prefix', '--keys-only']),
  run(['get', '', '--from-key', '--keys-only', '--limit=3']),
  run(['get', '']),
  run('get k/ --prefix --count-only', { since: '3.7' }),
  run('get k/ --prefix --count-only -w fields', { since: '3.7' }),
  run('get k/ --prefix --count-only -w json', { since: '3.7' }),
  run('get k/ --prefix --stream', { since: '3.7' }),
  run('get k/ --prefix --stream -w json', { since: '3.7' }),
];

const deletions: Step[] = [
  ...runAll(`
    put d/a 1
    put d/b 2
    put d/c 3
    put d/d 4
    put d/e 5
    put e/f 6
    del d/a
    del d/a
    del d/b d/d
    del d/ --prefix --prev-kv
    del d/ --prefix
    put z/a 1
    put z/b 2
    del z/a z/b --prev-kv
    del z/b --from-key --prev-kv -w json
    del d/b --prefix --from-key
    del d/b d/c --prefix
    del
  `),
  run('put d/a 1'),
  run('put d/b 2'),
  run('del d/a d/c --range --prev-kv', { since: '3.7' }),
  run('del d/a --range', { since: '3.7' }),
  run(['del', '']),
  run(['del', 'p/', '--prefix']),
];

export const keys: readonly Step[] = [
  captureRevision('start'),
  ...fill,
  ...gets,
  ...sorted,
  ...bounds,
  ...formats,
  ...puts,
  ...deletions,
  run('get k --prefix -w json'),
];
