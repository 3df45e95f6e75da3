// The report as markdown: what has to be reached beside what was, every row's figures, the engines
// against each other, and what the loads cost JavaScript. Called by main.ts and scenarios.ts.

import type { JavaScriptCost } from '../measure/javascript.js';
import type { Sample } from '../measure/sample.js';
import type { Figure, Row } from '../rows.js';
import { count, median, spread, table } from '../statistics.js';
import {
  figureText,
  goalText,
  ratios,
  ratioText,
  reference,
  samplesOf,
  spreadText,
  valuesOf,
} from './figures.js';

function serversOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.map((one) => one.server))];
}

/** Each row's goals and whether they are reached. */
export function goalsTable(rows: readonly Row[], samples: readonly Sample[]): string {
  const servers = serversOf(samples).filter((name) => name !== reference);
  const lines = rows.flatMap((row) =>
    row.goals.map((goal) => [
      row.title,
      goalText(goal),
      spreadText(samplesOf(samples, row, reference), goal.figure),
      ...servers.flatMap((server) => [
        spreadText(samplesOf(samples, row, server), goal.figure),
        ratioText(ratios(samples, row, server, goal.figure), goal),
      ]),
    ]),
  );
  const heads = servers.flatMap((server) => [server, `${server}: ratio to ${reference}`]);
  return table(['load', 'to reach', reference, ...heads], lines);
}

/** Everything that was measured. */
export function figuresTable(rows: readonly Row[], samples: readonly Sample[]): string {
  const middle = (own: readonly Sample[], of: (one: Sample) => number, digits: number): string =>
    own.length === 0 ? '-' : median(own.map(of)).toFixed(digits);
  const lines = rows.flatMap((row) =>
    serversOf(samples).map((server) => {
      const own = samplesOf(samples, row, server);
      const cpu = valuesOf(own, 'cpuMicros');
      return [
        ...[row.id, server, spreadText(own, 'perSecond')],
        ...[middle(own, (one) => one.meanUs / 1000, 3), middle(own, (one) => one.p50Us / 1000, 3)],
        ...[middle(own, (one) => one.p99Us / 1000, 3), middle(own, (one) => one.maxUs / 1000, 1)],
        cpu.length === 0 ? '-' : figureText('cpuMicros', median(cpu)),
        `${middle(own, (one) => one.generatorMicros, 2)} µs`,
        server === reference ? '1' : ratioText(ratios(samples, row, server, 'perSecond'), null),
      ];
    }),
  );
  const head = [
    ...['row', 'server', 'a second: median (lowest - highest)', 'mean ms', 'p50 ms', 'p99 ms'],
    ...['max ms', 'server CPU each', 'generator CPU each', `ratio to ${reference}`],
  ];
  return table(head, lines);
}

/** Whether the memory engine is slower than rocksdb by more than the rounds differ. */
export function enginesTable(rows: readonly Row[], samples: readonly Sample[]): string {
  const figure: Figure = 'perSecond';
  const lines = rows.flatMap((row) => {
    const memory = valuesOf(samplesOf(samples, row, 'memory'), figure);
    const rocksdb = valuesOf(samplesOf(samples, row, 'rocksdb'), figure);
    if (memory.length === 0 || rocksdb.length === 0) return [];
    const ratio = median(memory) / median(rocksdb);
    const isSlower = ratio < 1 && Math.max(...memory) < Math.min(...rocksdb);
    return [[row.title, ratio.toFixed(2), isSlower ? '**slower**' : 'no slower']];
  });
  if (lines.length === 0) return '';
  return table(['load', 'memory to rocksdb, medians', 'within the spread'], lines);
}

const turnsMax = 5000;
const heapDifferenceMax = 0.05;

function costLine(costs: readonly JavaScriptCost[], server: string): string[] {
  const own = costs.filter((one) => one.server === server);
  const rates = [...new Set(own.map((one) => one.rate))].sort((a, b) => a - b);
  const at = (rate: number, of: (one: JavaScriptCost) => number | null): number[] =>
    own.filter((one) => one.rate === rate).flatMap((one) => of(one) ?? []);
  const turns = rates.map((rate) => at(rate, (one) => one.turnsPerSecond));
  const heap = rates.map((rate) => at(rate, (one) => one.heapBytesPerSecond / 1024));
  const answered = rates.map((rate) => at(rate, (one) => one.perSecond));
  const show = (values: readonly number[][]): string =>
    values.map((one) => spread(one, count)).join(' → ');
  const most = Math.max(...turns.flat());
  const difference = median(heap.at(-1) ?? []) / median(heap[0] ?? []) - 1;
  const isReached = Math.abs(difference) < heapDifferenceMax ? 'reached' : '**missed**';
  return [
    server,
    show(answered),
    turns.flat().length === 0
      ? 'not counted by this Node'
      : `${show(turns)} ${most < turnsMax ? 'reached' : '**missed**'}`,
    show(heap),
    rates.length < 2 ? '-' : `${(difference * 100).toFixed(1)} % ${isReached}`,
  ];
}

/** Turns of the event loop and growth of the heap at the lowest and the highest rate. */
export function javaScriptTable(costs: readonly JavaScriptCost[]): string {
  const servers = [...new Set(costs.map((one) => one.server))];
  const head = [
    ...['server', 'reads answered a second', `turns a second (below ${turnsMax})`],
    ...['heap KiB a second', `heap: difference (below ${heapDifferenceMax * 100} %)`],
  ];
  return table(
    head,
    servers.map((server) => costLine(costs, server)),
  );
}

/** A list of facts, one a line. */
export function factsList(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `- ${name}: ${value}`)
    .join('\n');
}
