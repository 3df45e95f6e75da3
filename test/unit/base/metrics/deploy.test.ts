// Tests of docs/metrics.md, deploy/prometheus and deploy/grafana against the definitions: the
// document is current, and rules and panels name only metrics and labels that there are.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { metricsDocument } from '../../../../src/base/metrics/document.js';
import { definitions } from '../../../../src/base/metrics/tables/index.js';
import { packageRoot } from '../../../../src/base/package.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const read = (...path: string[]) => readFileSync(join(packageRoot, ...path), 'utf8');
const rules = (
  parse(read('deploy', 'prometheus', 'alerts.yaml')) as {
    readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
  }
).groups;
const { panels } = JSON.parse(read('deploy', 'grafana', 'metastore.json')) as {
  readonly panels: readonly Panel[];
};

const known = new Set<string>(['up', 'nodejs_eventloop_lag_p99_seconds']);
known.add('process_resident_memory_bytes').add('process_cpu_seconds_total');
for (const { name, kind } of definitions) {
  for (const suffix of kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) {
    known.add(name + suffix);
  }
}
const labels = new Set(['job', 'instance', 'pod', 'endpoint', 'le']);
for (const definition of definitions) {
  for (const label of definition.labels) {
    labels.add(label);
  }
}

/** Names of metrics in an expression, and of the labels that it selects by. */
function namesIn(expr: string): { metrics: string[]; labels: string[] } {
  const metrics = [...expr.matchAll(/\b([a-z]\w+)\{/g)].map(([, name = '']) => name);
  const selectors = [...expr.matchAll(/\{([^}]*)\}/g)].map(([, inner = '']) => inner);
  const chosen = selectors.flatMap((one) =>
    [...one.matchAll(/(\w+)(?==~?"|!=")/g)].map(([, name = '']) => name),
  );
  return { metrics, labels: chosen };
}

t.test('the document is what scripts/metrics-doc.mjs would write', async (t) => {
  t.equal(read('docs', 'metrics.md'), metricsDocument());
});

t.test('alert rules', async (t) => {
  t.strictSame(
    rules.map(({ name }) => name),
    ['etcd', 'metastore'],
  );
  t.equal(rules[0]?.rules.length, 15, 'those that etcd has');
  for (const rule of rules.flatMap((group) => group.rules)) {
    const names = namesIn(rule.expr);
    t.ok(names.metrics.length > 0, rule.alert);
    t.strictSame(
      names.metrics.filter((name) => !known.has(name)),
      [],
      rule.alert,
    );
    t.strictSame(
      names.labels.filter((name) => !labels.has(name)),
      [],
      rule.alert,
    );
    t.match(rule.for, /^\d+m$/);
    t.match(rule.labels.severity, /^(warning|critical)$/);
    t.ok(rule.annotations.summary && rule.annotations.description);
    const open = [...rule.expr].filter((one) => one === '(').length;
    t.equal([...rule.expr].filter((one) => one === ')').length, open, 'parentheses');
  }
});

t.test('the dashboard', async (t) => {
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids differ');
  for (const { title, type, targets = [] } of panels) {
    t.ok(type === 'row' || targets.length > 0, title);
    for (const { expr, legendFormat } of targets) {
      const names = namesIn(expr);
      t.ok(names.metrics.length > 0 && legendFormat !== '', title);
      t.strictSame(
        names.metrics.filter((name) => !known.has(name)),
        [],
        title,
      );
      t.strictSame(
        names.labels.filter((name) => !labels.has(name)),
        [],
        title,
      );
    }
  }
});
