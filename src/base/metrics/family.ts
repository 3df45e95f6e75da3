// Families of one definition with their children by label values, and the cells that count. Code
// on the hot path keeps its cell and adds to a plain number; what a scrape shows is made of them
// then. A family has the shape that the registry of prom-client asks of a metric.

import { assert } from '../assert.js';
import type { Definition } from './definition.js';
import { formatNumber, labelText } from './text.js';

/** A counter's or gauge's number. */
export class Value {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** Counts of observed values by bucket, the last of which has no bound. */
export class Distribution {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) {
      bucket++;
    }
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sum += value;
  }

  /** Takes over what was counted elsewhere over the same bounds. */
  load(counts: Float64Array, sum: number): void {
    assert(counts.length === this.counts.length, 'the same bounds on both sides');
    this.counts.set(counts);
    this.sum = sum;
  }

  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0);
  }
}

export type Cell = Value | Distribution;

/** One line of a scrape. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** The labels as text, where that is known already. */
  readonly text?: string;
  /** When it differs from the family's. */
  readonly metricName?: string;
}

interface Child<C> {
  readonly labels: Readonly<Record<string, string>>;
  /** They are written at each scrape, and never change. */
  readonly text: string;
  readonly cell: C;
}

function samplesOf(name: string, { labels, text, cell }: Child<Cell>): Sample[] {
  if (cell instanceof Value) {
    return [{ labels, text, value: cell.value }];
  }
  const samples: Sample[] = [];
  const metricName = `${name}_bucket`;
  let total = 0;
  cell.counts.forEach((count, bucket) => {
    total += count;
    const le = cell.bounds[bucket] ?? Number.POSITIVE_INFINITY;
    const bucketText = `${text === '' ? '' : `${text},`}le="${formatNumber(le)}"`;
    samples.push({ metricName, labels: { ...labels, le }, text: bucketText, value: total });
  });
  samples.push({ metricName: `${name}_sum`, labels, text, value: cell.sum });
  samples.push({ metricName: `${name}_count`, labels, text, value: total });
  return samples;
}

export class Family<C extends Cell> {
  readonly definition: Definition;
  readonly name: string;
  readonly #make: () => C;
  readonly #children = new Map<string, Child<C>>();

  constructor(definition: Definition, make: () => C) {
    this.definition = definition;
    this.name = definition.name;
    this.#make = make;
    if (definition.labels.length === 0) {
      this.with();
    }
  }

  /** The cell of these label values, made when it is not there yet. */
  with(...values: readonly string[]): C {
    const key = values.join('\u0000');
    const known = this.#children.get(key);
    if (known !== undefined) {
      return known.cell;
    }
    const { labels, name } = this.definition;
    assert(values.length === labels.length, `${name} has ${labels.length} labels`);
    const cell = this.#make();
    const pairs = labels.map((label, i) => [label, values[i] as string] as const);
    const named = Object.fromEntries(pairs);
    this.#children.set(key, { labels: named, text: labelText(named), cell });
    return cell;
  }

  /** Forgets one child, such as that of a member that is gone. */
  remove(...values: readonly string[]): void {
    this.#children.delete(values.join('\u0000'));
  }

  /** Forgets all children, for those that name them anew at each scrape. */
  clear(): void {
    this.#children.clear();
  }

  /** All cells, for those that set each of them anew. */
  cells(): readonly C[] {
    return [...this.#children.values()].map(({ cell }) => cell);
  }

  async get() {
    const values: Sample[] = [];
    for (const child of this.#children.values()) {
      values.push(...samplesOf(this.name, child));
    }
    return {
      name: this.name,
      help: this.definition.help,
      type: this.definition.kind,
      values,
      aggregator: 'sum' as const,
    };
  }

  /** Part of a metric's shape in prom-client. */
  reset(): void {
    this.clear();
  }
}
