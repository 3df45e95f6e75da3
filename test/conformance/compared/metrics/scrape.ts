// A scrape as data: families with their types and samples, and those of two servers held against
// each other. Used by the comparing test and by integration tests of metrics.

export interface Sample {
  /** With the suffix of a histogram's part. */
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(name, value);
  }
  return labels;
}

function sampleOf(line: string): Sample {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) {
    throw new Error(`no sample: ${line}`);
  }
  const [, name = '', labels = '', value = ''] = match;
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  return { name, labels: labelsOf(labels), value: number };
}

/** @throws Error on a line that is no part of the text form */
export function parseScrape(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let help = '';
  let family: Family | null = null;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    if (line.startsWith('# HELP ')) {
      help = line.split(' ').slice(3).join(' ');
    } else if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(' ');
      if (families.has(name)) {
        throw new Error(`${name} comes twice`);
      }
      family = { name, type, help, samples: [] };
      families.set(name, family);
    } else {
      const sample = sampleOf(line);
      if (family === null || !sample.name.startsWith(family.name)) {
        throw new Error(`a sample outside of its family: ${line}`);
      }
      family.samples.push(sample);
    }
  }
  return families;
}

export async function scrape(endpoint: string): Promise<Map<string, Family>> {
  const answer = await fetch(`http://${endpoint}/metrics`);
  return parseScrape(await answer.text());
}

/** Names of labels, in order. */
export function labelNames(family: Family): string {
  const names = new Set<string>();
  for (const { labels } of family.samples) {
    for (const name of labels.keys()) {
      names.add(name);
    }
  }
  return [...names].sort().join();
}

/** Upper bounds of a histogram's buckets, as they are written. */
export function bounds(family: Family): string {
  const all = family.samples.map(({ labels }) => labels.get('le')).filter((le) => le !== undefined);
  return [...new Set(all)].join();
}

/** A series as text; parts of a histogram apart from its count are left out by `valuesOf`. */
export function seriesName({ name, labels }: Sample): string {
  const pairs = [...labels].map(([label, value]) => `${label}=${value}`).sort();
  return pairs.length === 0 ? name : `${name}{${pairs.join()}}`;
}

/** Values of counters and gauges, and the counts of histograms, by series. */
export function valuesOf(families: ReadonlyMap<string, Family>): Map<string, number> {
  const values = new Map<string, number>();
  for (const family of families.values()) {
    for (const sample of family.samples) {
      const isPart = family.type === 'histogram' && !sample.name.endsWith('_count');
      if (!isPart) {
        values.set(seriesName(sample), sample.value);
      }
    }
  }
  return values;
}
