// docs/metrics.md: every metric by subject, with kind, labels and meaning. Made from the tables, so
// that it says what the server does; scripts/metrics-doc.mjs writes it and a test compares.

import type { Definition } from './definition.js';
import { tables } from './tables/index.js';
import { formatNumber } from './text.js';

const intro = `# Metrics

\`GET /metrics\` on the client URLs and on \`--listen-metrics-urls\` answers in the text form of
Prometheus (version 0.0.4), compressed where the client takes that. The names, labels and buckets
are those of etcd 3.7 wherever they have a meaning here, so that its dashboards and alert rules
work; what only this server has begins with \`metastore_\`. Alert rules and a dashboard lie in
\`deploy/\`.

A family with labels is absent until it has its first series. \`--metrics=extensive\` adds the time
of calls by method. Besides these there are \`process_*\` and \`nodejs_*\` of the runtime: memory,
descriptors, CPU, the delay of the event loop, garbage collections.

The file is made by \`scripts/metrics-doc.mjs\` from the definitions in \`src/base/metrics/tables\`.
`;

function boundsText(bounds: readonly number[]): string {
  const [first, last] = [bounds[0], bounds.at(-1)];
  return first === undefined || last === undefined
    ? ''
    : `${bounds.length} from ${formatNumber(first)} to ${formatNumber(last)}`;
}

function row({ name, kind, labels, bounds, help }: Definition): string {
  const cells = [`\`${name}\``, kind, labels.map((label) => `\`${label}\``).join(', ')];
  return `| ${[...cells, boundsText(bounds), help].join(' | ')} |`;
}

/** The whole document. */
export function metricsDocument(): string {
  const parts = Object.entries(tables).map(([title, table]) => {
    const definitions = Object.values<Definition>(table);
    const rows = definitions.sort((a, b) => (a.name < b.name ? -1 : 1)).map(row);
    const head = '| name | type | labels | buckets | meaning |\n| --- | --- | --- | --- | --- |';
    return `## ${title}\n\n${head}\n${rows.join('\n')}\n`;
  });
  return `${intro}\n${parts.join('\n')}`;
}
