// The report of bench/cluster: medians with their spread, ratios to etcd round by round, and for
// puts how many went into one sync of the leader's log and one turn of its loop.

import { count, median, spread, table } from '../load/statistics.js';
import type { Sample } from './measure.js';

const reference = 'etcd';

function ratioText(samples: readonly Sample[], own: readonly Sample[]): string {
  const ratios = own.flatMap((sample) => {
    const beside = samples.find(
      (one) =>
        one.server === reference &&
        one.round === sample.round &&
        one.placement === sample.placement &&
        one.workload === sample.workload,
    );
    return beside === undefined ? [] : [sample.perSecond / beside.perSecond];
  });
  return spread(ratios, (value) => value.toFixed(2));
}

function medianOr(values: readonly (number | null)[], show: (value: number) => string): string {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? '-' : show(median(known));
}

function perUnit(own: readonly Sample[], unit: (sample: Sample) => number | null): string {
  const values = own.map((sample) => {
    const rate = unit(sample);
    return rate === null || rate === 0 ? null : sample.perSecond / rate;
  });
  return medianOr(values, (value) => value.toFixed(1));
}

function row(samples: readonly Sample[], own: readonly Sample[]): string[] {
  const first = own[0];
  const isPut = first?.workload.startsWith('Put') === true;
  return [
    first?.workload ?? '-',
    first?.placement === 'all' ? 'all members' : 'leader',
    first?.server ?? '-',
    spread(
      own.map((one) => one.perSecond),
      count,
    ),
    median(own.map((one) => one.meanMs)).toFixed(2),
    Math.max(...own.map((one) => one.maxMs)).toFixed(1),
    medianOr(
      own.map((one) => one.cpuMicrosPerRequest),
      (value) => value.toFixed(1),
    ),
    first?.server === reference ? '1' : ratioText(samples, own),
    medianOr(
      own.map((one) => one.leaderTurnsPerSecond),
      count,
    ),
    perUnit(own, (one) => one.leaderTurnsPerSecond),
    isPut ? perUnit(own, (one) => one.leaderSyncsPerSecond) : '-',
  ];
}

/** The report in markdown. */
export function markdown(samples: readonly Sample[], facts: Record<string, unknown>): string {
  const kinds = [...new Set(samples.map((one) => `${one.workload}|${one.placement}`))];
  const servers = [...new Set(samples.map((one) => one.server))];
  const rows = kinds.flatMap((kind) =>
    servers.map((server) => {
      const own = samples.filter(
        (one) => one.server === server && `${one.workload}|${one.placement}` === kind,
      );
      return row(samples, own);
    }),
  );
  const head = [
    'workload [in flight]',
    'clients at',
    'cluster',
    'requests/s: median (lowest - highest)',
    'mean ms',
    'max ms',
    'CPU µs/request, three members',
    'ratio to etcd, round by round',
    'JavaScript turns/s of the leader',
    'requests a turn',
    'puts a sync of the leader',
  ];
  const disturbed = samples.filter((one) => one.isDisturbed).length;
  const lines = Object.entries(facts).map(([name, value]) => `- ${name}: ${value}`);
  lines.push(`- measurements during which the leader changed: ${disturbed} of ${samples.length}`);
  return `# Clusters of three members\n\n${lines.join('\n')}\n\n${table(head, rows)}\n`;
}
