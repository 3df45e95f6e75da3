// First steps with etcdctl, with what it prints to the letter: these hold on every machine that has
// an etcdctl, with or without a real etcd to compare with. Called by etcdctl.test.ts.

import { run, type Step } from '../step.js';

export const basics: readonly Step[] = [
  run('get /a', { expected: '' }),
  run('put /a 1', { expected: 'OK\n' }),
  run('get /a', { expected: '/a\n1\n' }),
  run('put /a 2 --prev-kv', { expected: 'OK\n/a\n1\n' }),
  run('put /b', { stdin: 'from standard input', expected: 'OK\n' }),
  run('get / --prefix', { expected: '/a\n2\n/b\nfrom standard input\n' }),
  run('get / --prefix --print-value-only', { expected: '2\nfrom standard input\n' }),
  run('get /a --rev=2', { expected: '/a\n1\n' }),
  run('get /a -w fields --count-only', {
    since: '3.7',
    expected:
      '"ClusterID" : 0\n"MemberID" : 0\n"Revision" : 4\n"RaftTerm" : 0\n' +
      '"More" : false\n"Count" : 1\n',
  }),
  run('get /a -w json', {
    expected:
      '{"header":{"cluster_id":0,"member_id":0,"revision":4,"raft_term":0},' +
      '"kvs":[{"key":"L2E=","create_revision":2,"mod_revision":3,"version":2,"value":"Mg=="}],' +
      '"count":1}\n',
  }),
  run('txn', {
    stdin: 'value("/a") = "2"\n\nput /a 3\nget /a\n\nput /a 4\n\n',
    expected: 'SUCCESS\n\nOK\n\n/a\n3\n',
  }),
  run('watch /a --rev=2', {
    streaming: { lines: 9 },
    expected: 'PUT\n/a\n1\nPUT\n/a\n2\nPUT\n/a\n3\n',
  }),
  run('del /a', { expected: '1\n' }),
  run('del / --prefix --prev-kv', { expected: '1\n/b\nfrom standard input\n' }),
  run('lease grant 60', {
    capture: { name: 'lease', pattern: /lease (\w+) granted/, isId: true },
  }),
  run('put /leased 1 --lease=${lease}', { expected: 'OK\n' }),
  run('lease revoke ${lease}', { expected: 'lease <lease> revoked\n' }),
  run('get /leased', { expected: '' }),
  run('compaction 5', { expected: 'compacted revision 5\n' }),
  run('get /a --rev=4', { expected: '' }),
];
