// docs/compatibility.md: which RPC was called through which clients against which clusters, made
// out of what ran. Written by `METASTORE_WRITE_COMPATIBILITY=1` with the full counts; other runs
// check that what they saw does not contradict it. Used by matrix.test.ts.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/base/package.js';
import { serviceMethods } from '../../../src/base/proto/codec.js';
import { type Configuration, configurations } from './configurations.js';

const path = join(packageRoot, 'docs', 'compatibility.md');

const services = [
  'etcdserverpb.KV',
  'etcdserverpb.Watch',
  'etcdserverpb.Lease',
  'etcdserverpb.Cluster',
  'etcdserverpb.Maintenance',
  'etcdserverpb.Auth',
  'v3lockpb.Lock',
  'v3electionpb.Election',
  'grpc.health.v1.Health',
];

/** Short names of all RPCs, in the order of their services. Those of Health say so. */
export const allRpcs: readonly string[] = services.flatMap((service) =>
  serviceMethods(service).map((method) => {
    const name = method.path.slice(service.length + 2);
    return service.endsWith('Health') ? `Health.${name}` : name;
  }),
);

/** One client's letter in the cells. */
export interface Column {
  readonly letter: string;
  readonly client: string;
}

type Cell = { passed: Set<string>; failed: Set<string> };

export class Results {
  readonly #cells = new Map<string, Cell>();

  add(configuration: Configuration, rpc: string, letter: string, isPassed: boolean): void {
    const cell = this.#cell(configuration, rpc);
    (isPassed ? cell.passed : cell.failed).add(letter);
  }

  /** Letters of the clients whose every case passed, in the columns' order; failures behind `!`. */
  text(configuration: Configuration, rpc: string, columns: readonly Column[]): string {
    const { passed, failed } = this.#cell(configuration, rpc);
    const pick = (letters: Set<string>) =>
      columns.map(({ letter }) => (letters.has(letter) ? letter : '')).join('');
    const good = pick(new Set([...passed].filter((letter) => !failed.has(letter))));
    return failed.size === 0 ? good : `${good}!${pick(failed)}`;
  }

  #cell({ members, engine, mode }: Configuration, rpc: string): Cell {
    const key = `${members}/${engine}/${mode}/${rpc}`;
    const known = this.#cells.get(key) ?? { passed: new Set(), failed: new Set() };
    this.#cells.set(key, known);
    return known;
  }
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** The page, from what ran. */
export function page(results: Results, columns: readonly Column[]): string {
  const heads = configurations.map(({ members, engine, mode }) => `${members} ${engine} ${mode}`);
  const lines = allRpcs.map((rpc) =>
    row([rpc, ...configurations.map((configuration) => results.text(configuration, rpc, columns))]),
  );
  return [
    '# Compatibility',
    '',
    'Every RPC of the etcd 3.7 API, called through official clients against clusters of one and',
    'three members, with each storage engine, in clear text, over TLS with client certificates,',
    'and with authentication by password (over TLS). This page is made by the tests: a letter',
    'stands where every case of that client passed.',
    '',
    ...columns.map(({ letter, client }) => `- **${letter}**: ${client}`),
    '',
    'Made by `METASTORE_TEST_FULL=1 METASTORE_WRITE_COMPATIBILITY=1 node',
    'dist/test/conformance/matrix/matrix.test.js`; the same test without the second variable',
    'checks it.',
    '',
    row(['RPC', ...heads]),
    row(['---', ...heads.map(() => '---')]),
    ...lines,
    '',
  ].join('\n');
}

export function writePage(text: string): void {
  writeFileSync(path, text);
}

/** The cells of the page as it is, by RPC and position of the configuration; null without one. */
export function readPage(): ReadonlyMap<string, readonly string[]> | null {
  if (!existsSync(path)) return null;
  const cells = new Map<string, readonly string[]>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [, rpc = '', ...rest] = line.split('|').map((text) => text.trim());
    if (allRpcs.includes(rpc)) cells.set(rpc, rest);
  }
  return cells;
}
