// watch: history, live events, ranges, previous values, interactive mode, progress, and a command
// per event. Called by etcdctl.test.ts.

import { captureRevision, run, runAll, type Step } from '../step.js';

const words = (line: string) => line.split(' ');
const live = [words('put w/a live'), words('del w/a'), words('put w/b live')];

const history = runAll(`
  put w/a 1
  put w/b 2
  put w/a 3
  del w/a
  put w/c 4
`);

const show = 'echo "$ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE $ETCD_WATCH_REVISION"';

export const watches: readonly Step[] = [
  captureRevision('start'),
  ...history,
  run('watch w/a --rev=${start+1}', { streaming: { lines: 9 } }),
  run('watch w/ --prefix --rev=${start+1}', { streaming: { lines: 15 } }),
  run('watch w/ --prefix --rev=${start+1} --prev-kv', { streaming: { lines: 19 } }),
  run('watch w/a w/c --rev=${start+2}', { streaming: { lines: 9 } }),
  run('watch w/ --prefix --rev=${start+1} --hex', { streaming: { lines: 15 } }),
  run('watch w/a --rev=${start+1} --hex -w json', { streaming: { lines: 1 } }),
  run('watch w/a --rev=${start+1} -w fields', { streaming: { lines: 25 } }),
  run(['watch', '', '--prefix', '--rev=${start+4}'], { streaming: { lines: 6 } }),
  run('watch w/ --prefix', { streaming: { lines: 9, during: live } }),
  run('watch w/ --prefix --prev-kv -w json', {
    streaming: { lines: 4, during: [...live, words('put w/b again')] },
  }),
  run('watch w/a --rev=${start+12}', {
    streaming: {
      lines: 9,
      during: [words('put w/a early'), words('put w/a right'), words('put w/a late')],
    },
  }),
  run('watch w/quiet --progress-notify', {
    since: '3.7',
    streaming: { lines: 2 },
    normalize: (text) => text.split('\n').slice(0, 1).join('\n'),
  }),
  run(['watch', 'w/a', '--rev=${start+1}', '--', 'sh', '-c', show], { streaming: { lines: 40 } }),
  run(['watch', '--rev=${start+2}', 'w/', '--prefix', '--', 'echo', 'event'], {
    streaming: { lines: 56 },
  }),
  run('watch -i', { stdin: 'watch w/a --rev=${start+1}\n', streaming: { lines: 30 } }),
  run('watch -i', {
    stdin: 'watch w/b\nwatch w/c --prefix\n',
    streaming: { lines: 6, during: [words('put w/b i'), words('put w/c/d i')] },
    isUnordered: true,
  }),
  run('watch -i', {
    stdin: 'watch w/quiet\nprogress\n',
    streaming: { lines: 1 },
    since: '3.7',
  }),
  run('watch -i', { stdin: 'jump w/a\nwatch\n' }),
  run('watch'),
  run('watch w/a w/b --prefix'),
  run('watch', {
    environment: { ETCDCTL_WATCH_KEY: 'w/a', ETCDCTL_WATCH_RANGE_END: 'w/c' },
    streaming: { lines: 3, during: [words('put w/b env'), words('put w/c env')] },
  }),
  captureRevision('end'),
  run('compaction ${end}'),
  run('watch w/a --rev=${start+1}', { streaming: { lines: 1 } }),
  run('watch w/a --rev=${end+1}', { streaming: { lines: 3, during: [words('put w/a last')] } }),
];
