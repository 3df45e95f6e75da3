// Bar charts as SVG for the reports: one bar for each server in each group, with its spread, and a
// mark where a goal is. Plain SVG that any browser shows. Called by main.ts and scenarios.ts.

import { median } from '../statistics.js';

export interface Bar {
  readonly server: string;
  readonly values: readonly number[];
}

export interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
  /** Where the median of each bar has to be. */
  readonly mark?: number;
}

const width = 960;
const labelWidth = 330;
const barHeight = 14;
const groupGap = 14;
const top = 60;
const colours: Record<string, string> = {
  etcd: '#8d99ae',
  memory: '#4361ee',
  rocksdb: '#2a9d8f',
};

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? c);

function text(x: number, y: number, content: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function bar(one: Bar, y: number, x: (value: number) => number, show: (v: number) => string) {
  const middle = median(one.values);
  const low = x(Math.min(...one.values)).toFixed(1);
  const high = x(Math.max(...one.values)).toFixed(1);
  const centre = y + barHeight / 2;
  const fill = colours[one.server] ?? '#999';
  return [
    `<rect x="${labelWidth}" y="${y}" width="${Math.max(1, x(middle) - labelWidth).toFixed(1)}" ` +
      `height="${barHeight - 2}" fill="${fill}"/>`,
    `<path d="M${low} ${centre}H${high}" stroke="#222"/>`,
    text(Math.max(x(middle), Number(high)) + 6, y + barHeight - 3, show(middle)),
  ].join('\n');
}

/** Horizontal bars; `show` writes a value beside its bar. Groups without values are left out. */
export function barChart(
  title: string,
  groups: readonly Group[],
  show: (value: number) => string,
): string {
  const shown = groups
    .map((group) => ({ ...group, bars: group.bars.filter((one) => one.values.length > 0) }))
    .filter((group) => group.bars.length > 0);
  const all = shown.flatMap((group) => [
    ...group.bars.flatMap((one) => one.values),
    group.mark ?? 0,
  ]);
  const most = Math.max(...all, Number.MIN_VALUE);
  const x = (value: number): number => labelWidth + (value / most) * (width - labelWidth - 110);
  const parts: string[] = [];
  let y = top;
  for (const group of shown) {
    const height = group.bars.length * barHeight;
    parts.push(text(labelWidth - 8, y + height / 2 + 4, group.label, 'end'));
    for (const [index, one] of group.bars.entries()) {
      parts.push(bar(one, y + index * barHeight, x, show));
    }
    if (group.mark !== undefined) {
      const at = x(group.mark).toFixed(1);
      parts.push(`<path d="M${at} ${y - 3}V${y + height + 1}" stroke="#d62828" stroke-width="2"/>`);
    }
    y += height + groupGap;
  }
  const servers = [...new Set(shown.flatMap((group) => group.bars.map((one) => one.server)))];
  const legend = servers.map(
    (server, index) =>
      `<rect x="${labelWidth + index * 110}" y="34" width="12" height="12" ` +
      `fill="${colours[server] ?? '#999'}"/>${text(labelWidth + index * 110 + 18, 45, server)}`,
  );
  const size = `viewBox="0 0 ${width} ${y + 10}" width="${width}" height="${y + 10}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">
<rect width="${width}" height="${y + 10}" fill="white"/>
${text(labelWidth, 22, title)}
${[...legend, ...parts].join('\n')}
</svg>
`;
}
