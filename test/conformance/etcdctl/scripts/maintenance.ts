// compaction, defrag, alarm, endpoint and member commands; lock and elect, which need only KV,
// Watch and Lease. Called by etcdctl.test.ts.

import { clientTransport } from '../../../support/process.js';
import { captureRevision, run, type Step } from '../step.js';

/** Sizes, terms and Raft indexes differ between engines and with every start. */
function statusShape(text: string): string {
  return text
    .replace(/[\d.]+ [kMG]?B\b/g, '<size>')
    .replace(/\b\d+%/g, '<percent>')
    .replace(/"(dbSize|dbSizeInUse|raftIndex|raftTerm|raftAppliedIndex)":\d+/g, '"$1":0')
    .replace(/"(DBSize|DBSizeInUse|RaftIndex|RaftTerm|RaftAppliedIndex)" : \d+/g, '"$1" : 0')
    .replace(/(true|false), (true|false), \d+, \d+, \d+/, '$1, $2, 0, 0, 0')
    .replace(/(true|false)( [|│] )(true|false) [|│] \d+ [|│] \d+ [|│] \d+/, '$1$2$3$20$20$20');
}

/** Ids of clusters differ between servers, and with those of members their order in a list. */
function sortMembers(text: string): string {
  const named = text.replace(/\bcluster +[0-9a-f]+/g, 'cluster <id>');
  return named.replace(/^(ETCD_INITIAL_CLUSTER=")(.*)"$/m, (_line, name: string, list: string) => {
    return `${name}${list.split(',').sort().join(',')}"`;
  });
}

/** Clients of release 3.4 put the whole URL there, which Node.js refuses as not to the standard. */
const authority =
  clientTransport === 'grpc-js'
    ? {
        notYet: {
          answer: /RST_STREAM with error code: PROTOCOL_ERROR/,
          reason: 'grpc-js: Node.js refuses a URL as :authority',
        },
      }
    : {};

const memberId = { name: 'member', pattern: /^([0-9a-f]+), started/, isId: true };

const compactions: readonly Step[] = [
  captureRevision('start'),
  // Records with a lease's id, which differ between servers, would be part of the hash.
  run('compaction ${start} --physical'),
  run('put m/a 1'),
  run('put m/a 2'),
  run('put m/a 3'),
  run('del m/a'),
  run('put m/a 4'),
  run('endpoint hashkv'),
  run('endpoint hashkv --rev=${start+3}'),
  run('endpoint hashkv --rev=${start+3} -w json'),
  run('endpoint hashkv -w fields'),
  run('endpoint hashkv -w table'),
  run('endpoint hashkv --rev=999999'),
  run('compaction ${start+2}'),
  run('get m/a --rev=${start+1}'),
  run('get m/a --rev=${start+2}'),
  run('endpoint hashkv'),
  run('compaction ${start+2}'),
  run('compaction ${start+4} --physical'),
  run('get m/a --rev=${start+3}'),
  run('get m/a --rev=${start+4}'),
  run('get m/a'),
  run('endpoint hashkv'),
  run('compaction 999999'),
  run('compaction one'),
  run('compaction'),
  run('compaction ${start+5} --physical -w json'),
];

/** What one member can be told about its cluster; nothing of it is left at the end. */
const membership: readonly Step[] = [
  run('member remove 1234'),
  run('member update 1234 --peer-urls=http://127.0.0.1:1'),
  run('member promote 1234'),
  run('member promote ${member}'),
  run('member remove ${member}'),
  run('member add x --peer-urls=http://127.0.0.1:1/path'),
  run('move-leader 1234'),
  run('move-leader ${member}'),
  run('member add x --learner --peer-urls=http://127.0.0.1:1', {
    capture: { name: 'learner', pattern: /^Member\s+([0-9a-f]+) added/, isId: true },
    normalize: sortMembers,
  }),
  run('member list', { isUnordered: true }),
  run('member add y --learner --peer-urls=http://127.0.0.1:2'),
  run('member promote ${learner}'),
  run('member update ${member} --peer-urls=http://127.0.0.1:1'),
  run('member update ${learner} --peer-urls=http://127.0.0.1:1,http://127.0.0.1:3', {
    normalize: sortMembers,
  }),
  run('member list', { isUnordered: true }),
  run('member remove ${learner}', { normalize: sortMembers }),
  run('member remove ${learner}'),
  run('member update ${learner} --peer-urls=http://127.0.0.1:1'),
  run('member promote ${learner}'),
  run('member list'),
];

export const maintenance: readonly Step[] = [
  run('member list', { capture: memberId }),
  run('member list'),
  run('member list -w json', { normalize: statusShape }),
  run('member list -w fields'),
  run('member list -w table'),
  run('member list --consistency=s', { since: '3.7' }),
  ...membership,
  run('endpoint health'),
  run('endpoint health -w json'),
  run('endpoint health -w table'),
  run('endpoint health --cluster'),
  run('endpoint status', { normalize: statusShape }),
  run('endpoint status -w json', { normalize: statusShape }),
  run('endpoint status -w fields', { normalize: statusShape }),
  run('endpoint status -w table', { normalize: statusShape }),
  run('endpoint status --cluster', { normalize: statusShape, ...authority }),
  run('endpoint health --endpoints 127.0.0.1:1 --dial-timeout=300ms --command-timeout=500ms'),
  ...compactions,
  run('defrag'),
  run('defrag --cluster', authority),
  run('get m/ --prefix'),
  run('alarm list'),
  run('alarm disarm'),
  run('alarm list -w json'),
];

/** Last of all: an election that is killed leaves its key behind until its lease ends. */
export const concurrency: readonly Step[] = [
  run('lock c/lock echo held'),
  run('lock c/lock false'),
  run('elect c/election value', { streaming: { lines: 2 }, normalize: hideLease }),
  run('elect c/election --listen', { streaming: { lines: 2 }, normalize: hideLease }),
];

/** The election's key ends in the lease that the client asked for. */
function hideLease(text: string): string {
  return text.replace(/c\/election\/[0-9a-f]+/g, 'c/election/<lease>');
}
