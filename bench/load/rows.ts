// The rows of the report: what is measured on which kind of server, and the ratio to etcd that each
// has to reach. Values have 256 bytes and there are 10 connections unless a row says otherwise.

import type { LoadResult } from './measure/generator.js';
import type { Place } from './measure/targets.js';

/** What a row is judged by. `perSecond` counts requests, or events of watches. */
export type Figure = 'perSecond' | 'p99Us' | 'cpuMicros';

export interface Goal {
  readonly figure: Figure;
  /** Of the ratio to etcd. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly place: Place;
  readonly goals: readonly Goal[];
  /** Ends by itself after so many requests instead of after the seconds of the run. */
  readonly isCounted?: boolean;
  /** How long the scenario lasts when it is run by itself. */
  readonly fullSeconds?: number;
  /** Of a cluster's members only the leader is asked. */
  readonly atLeader?: boolean;
  /** An open loop at the rate that etcd has reached in another row of the same round. */
  readonly rateOf?: string;
  readonly args: readonly string[];
}

const rate = (atLeast: number): Goal => ({ figure: 'perSecond', atLeast });

function closed(mix: string, inFlight: number): string[] {
  const connections = Math.min(10, inFlight);
  return [`--mix=${mix}`, `--in-flight=${inFlight}`, `--connections=${connections}`];
}

const single: readonly Row[] = [
  {
    id: 'put-100',
    title: 'Put, 100 in flight, durable',
    place: 'single',
    goals: [rate(5), { figure: 'cpuMicros', atMost: 1 / 6 }],
    args: closed('put', 100),
  },
  {
    id: 'put-1000',
    title: 'Put, 1,000 in flight',
    place: 'single',
    goals: [rate(6)],
    args: closed('put', 1000),
  },
  {
    id: 'put-1',
    title: 'Put, 1 in flight',
    place: 'single',
    goals: [rate(1.5), { figure: 'p99Us', atMost: 1 }],
    args: closed('put', 1),
  },
  {
    id: 'get-100',
    title: 'linearizable Range of one key, 100 in flight',
    place: 'single',
    goals: [rate(10)],
    args: closed('get', 100),
  },
  {
    id: 'txn-100',
    title: 'Txn (compare + put), 100 in flight',
    place: 'single',
    goals: [rate(5)],
    args: closed('txn', 100),
  },
  {
    id: 'open-put',
    title: "Put at etcd's own saturation rate (open loop at its rate of Put, 100 in flight)",
    place: 'single',
    goals: [{ figure: 'p99Us', atMost: 1 / 5 }],
    rateOf: 'put-100',
    // So few that no server turns any away; what waits here is timed all the same.
    args: ['--mix=put', '--connections=10', '--in-flight=1000'],
  },
  {
    id: 'fan-out',
    title: 'watch: 1 put → 1,000 watchers on one key over 10 streams',
    place: 'single',
    goals: [rate(2), { figure: 'cpuMicros', atMost: 1 / 3 }],
    args: ['--watch=fan-out', '--watchers=1000', '--streams=10', '--in-flight=8'],
  },
  {
    id: 'watch-latency',
    title: 'watch latency at 1,000 puts a second, 10 watchers over 10 streams',
    place: 'single',
    goals: [{ figure: 'p99Us', atMost: 1 / 2 }],
    args: ['--watch=latency', '--rate=1000', '--watchers=10', '--streams=10'],
  },
];

/** The five load scenarios of the founding reports; `seconds` shortens those that go by time. */
export const scenarios: readonly Row[] = [
  {
    id: 'large-scale',
    title: 'LargeScaleLoad: 50 clients × 1,000 operations, half Put, half Get',
    place: 'single',
    goals: [rate(4)],
    isCounted: true,
    args: ['--mix=put=50,get=50', '--connections=50', '--in-flight=50', '--count=50000'],
  },
  {
    id: 'sustained',
    title: 'SustainedLoad: 20 clients, 100 operations a second each, half Put, half Get',
    place: 'single',
    goals: [{ figure: 'p99Us', atMost: 1 }],
    fullSeconds: 30,
    args: ['--mix=put=50,get=50', '--connections=20', '--rate=2000'],
  },
  {
    id: 'mixed',
    title: 'MixedWorkload: 30 clients, 40 % Put, 40 % Get, 10 % Range, 10 % Delete',
    place: 'single',
    goals: [rate(4)],
    fullSeconds: 20,
    // Keys of its own, as it deletes what other rows read.
    args: [
      ...['--mix=put=40,get=40,scan=10,delete=10', '--prefix=mixed/'],
      ...['--connections=30', '--in-flight=30'],
    ],
  },
  {
    id: 'watch-scale',
    title: 'WatchScalability: 100 watchers on streams of their own, 1,000 events each',
    place: 'single',
    goals: [rate(4)],
    isCounted: true,
    args: ['--watch=fan-out', '--watchers=100', '--streams=100', '--in-flight=8', '--count=1000'],
  },
  {
    id: 'txn-throughput',
    title: 'TransactionThroughput: 10,000 transactions from 10 clients',
    place: 'single',
    goals: [rate(4)],
    isCounted: true,
    args: ['--mix=txn', '--connections=10', '--in-flight=10', '--count=10000'],
  },
];

const others: readonly Row[] = [
  {
    id: 'tls-put-100',
    title: 'TLS: Put, 100 in flight',
    place: 'tls',
    goals: [rate(3)],
    args: closed('put', 100),
  },
  {
    id: 'tls-get-100',
    title: 'TLS: linearizable Range of one key, 100 in flight',
    place: 'tls',
    goals: [rate(3)],
    args: closed('get', 100),
  },
  {
    id: 'cluster-put-100',
    title: '3 members on the machine: Put, 100 in flight over all members',
    place: 'cluster',
    goals: [rate(4)],
    args: closed('put', 100),
  },
  {
    id: 'cluster-put-1000',
    title: '3 members on the machine: Put, 1,000 in flight over all members',
    place: 'cluster',
    goals: [rate(4)],
    args: closed('put', 1000),
  },
  {
    id: 'leader-put-100',
    title: '3 members on the machine: Put, 100 in flight at the leader',
    place: 'cluster',
    goals: [rate(4)],
    atLeader: true,
    args: closed('put', 100),
  },
  {
    id: 'leader-put-1000',
    title: '3 members on the machine: Put, 1,000 in flight at the leader',
    place: 'cluster',
    goals: [rate(4)],
    atLeader: true,
    args: closed('put', 1000),
  },
];

export const rows: readonly Row[] = [...single, ...scenarios, ...others];

/** Rows by their ids; `all` for all. @throws Error for an id that is not one */
export function chosenRows(list: string): Row[] {
  if (list === 'all') return [...rows];
  return list.split(',').map((id) => {
    const row = rows.find((one) => one.id === id);
    if (row === undefined) throw new Error(`no row is called ${id}`);
    return row;
  });
}

/** What is counted second by second. */
export function countedOf(result: LoadResult): LoadResult['requests'] {
  return result.events ?? result.requests;
}
