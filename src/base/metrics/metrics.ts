// The metrics of one server: a family for each definition in one registry of prom-client, which
// also holds what that library knows of the process. Parts take cells from it when they are made;
// those whose numbers live elsewhere register a collector, which runs at each scrape.

import type { Registry } from 'prom-client';

import { assert } from '../assert.js';
import type { Counter, Definition, Gauge, Histogram } from './definition.js';
import { Distribution, Family, Value } from './family.js';
import { definitions } from './tables/index.js';
import { type Exposed, expositionText } from './text.js';

type PromClient = typeof import('prom-client');

export class Metrics {
  readonly #families = new Map<string, Family<Value> | Family<Distribution>>();
  readonly #collectors: (() => void)[] = [];
  readonly #fillers: ((library: PromClient, registry: Registry) => void)[] = [];
  #opened: Promise<Registry> | null = null;

  constructor() {
    for (const definition of definitions) {
      this.#register(definition);
    }
  }

  values(definition: Counter | Gauge): Family<Value> {
    return this.#family(definition) as Family<Value>;
  }

  /** The cell of a family without labels, or of these label values. */
  value(definition: Counter | Gauge, ...labels: readonly string[]): Value {
    return this.values(definition).with(...labels);
  }

  distributions(definition: Histogram): Family<Distribution> {
    return this.#family(definition) as Family<Distribution>;
  }

  distribution(definition: Histogram, ...labels: readonly string[]): Distribution {
    return this.distributions(definition).with(...labels);
  }

  /** Runs at the beginning of every scrape, to set cells; must be quick and must not throw. */
  onScrape(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** Adds what the library knows by itself, once it is loaded. */
  onOpen(fill: (library: PromClient, registry: Registry) => void): void {
    this.#fillers.push(fill);
  }

  /**
   * Loads the library, which takes longer than a start should wait for it; the first scrape does so
   * when nobody else has.
   */
  open(): Promise<Registry> {
    this.#opened ??= this.#load();
    return this.#opened;
  }

  /** All that there is now, in the text form of Prometheus. */
  async text(): Promise<string> {
    const registry = await this.open();
    for (const collect of this.#collectors) {
      collect();
    }
    const exposed: unknown = await registry.getMetricsAsJSON();
    return expositionText(exposed as readonly Exposed[]);
  }

  #family(definition: Definition): Family<Value> | Family<Distribution> {
    const family = this.#families.get(definition.name);
    assert(family?.definition === definition, `${definition.name} stands in the tables`);
    return family;
  }

  #register(definition: Definition): void {
    const family =
      definition.kind === 'histogram'
        ? new Family(definition, () => new Distribution(definition.bounds))
        : new Family(definition, () => new Value());
    assert(!this.#families.has(definition.name), `${definition.name} is defined once`);
    this.#families.set(definition.name, family);
  }

  async #load(): Promise<Registry> {
    const library = await import('prom-client');
    const registry = new library.Registry();
    for (const family of this.#families.values()) {
      // The library types its own classes alone; what it calls is `name`, `get` and `reset`.
      registry.registerMetric(family as never);
    }
    for (const fill of this.#fillers) {
      fill(library, registry);
    }
    return registry;
  }
}
