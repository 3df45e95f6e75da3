// The text form of Prometheus, version 0.0.4, of what a registry holds: families by name, labels in
// alphabetical order, numbers as other servers with these names write them, since the bound of a
// bucket is a label's text and tells series apart.

import type { Sample } from './family.js';

/** The content type of the text. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';

export interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Sample[];
}

/** The shortest text that reads back as the same number; with an exponent when it is far from 1. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  }
  const magnitude = Math.abs(value);
  if (value === 0 || (magnitude >= 1e-4 && magnitude < 1e6)) {
    return String(value);
  }
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const sign = exponent.startsWith('-') ? '-' : '+';
  return `${digits}e${sign}${exponent.slice(1).padStart(2, '0')}`;
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' };

function escapeLabel(text: string): string {
  return /[\\\n"]/.test(text) ? text.replace(/[\\\n"]/g, (one) => escapes[one] as string) : text;
}

/** Labels as they stand between the braces, in alphabetical order. */
export function labelText(labels: Sample['labels']): string {
  const names = Object.keys(labels);
  const parts: string[] = [];
  for (const name of names.length === 1 ? names : names.sort()) {
    const value = labels[name] as string | number;
    const text = typeof value === 'number' ? formatNumber(value) : escapeLabel(value);
    // A bucket's bound comes last, wherever the alphabet would put it.
    if (name !== 'le') {
      parts.push(`${name}="${text}"`);
    }
  }
  if (labels.le !== undefined) {
    parts.push(`le="${formatNumber(Number(labels.le))}"`);
  }
  return parts.join(',');
}

function linesOf(family: Exposed): string {
  const help = family.help.replace(/[\\\n]/g, (one) => escapes[one] as string);
  let text = `# HELP ${family.name} ${help}\n# TYPE ${family.name} ${family.type}\n`;
  for (const { metricName = family.name, labels, text: known, value } of family.values) {
    const inner = known ?? labelText(labels);
    text += metricName;
    text += inner === '' ? ' ' : `{${inner}} `;
    text += formatNumber(value);
    text += '\n';
  }
  return text;
}

/** A family without any value is left out: it has not come into being yet. */
export function expositionText(families: readonly Exposed[]): string {
  return families
    .filter(({ values }) => values.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(linesOf)
    .join('');
}
