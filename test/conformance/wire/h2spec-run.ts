// Runs h2spec, the conformance tester of HTTP/2 servers, and reads its report. The program is built
// from its Go module by scripts/reference.mjs, which names it in METASTORE_H2SPEC.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { tempDir } from '../../support/temp-dir.js';

export interface Target {
  readonly port: number;
  readonly path: string;
  readonly isSecure: boolean;
}

/** What a case ended with: null for passed, else what was expected and what came. */
export type Report = Map<string, string | null>;

const RUN_MS_MAX = 4 * 60_000;

/** @param sections cases to run, as `generic/2`; all when empty */
export async function runH2spec(target: Target, sections: readonly string[] = []): Promise<Report> {
  const program = process.env.METASTORE_H2SPEC;
  if (program === undefined) throw new Error('METASTORE_H2SPEC names no h2spec');
  const file = join(tempDir('h2spec'), 'report.xml');
  const args = [
    ...sections,
    '--host=127.0.0.1',
    `--port=${target.port}`,
    `--path=${target.path}`,
    `--junit-report=${file}`,
    '--timeout=2',
    ...(target.isSecure ? ['--tls', '--insecure'] : []),
  ];
  await new Promise<void>((resolve, reject) => {
    execFile(program, args, { timeout: RUN_MS_MAX, maxBuffer: 64 << 20 }, (error) => {
      // It ends with 1 when a case failed, which the report tells better.
      if (error === null || error.code === 1) resolve();
      else reject(error);
    });
  });
  return readReport(readFileSync(file, 'latin1'));
}

/** The report holds octets that XML does not allow, so it is read by its tags alone. */
function readReport(xml: string): Report {
  const report: Report = new Map();
  const pattern = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g;
  for (const [, section, title, inner = ''] of xml.matchAll(pattern)) {
    const name = `${section}: ${title}`;
    if (report.has(name)) throw new Error(`two cases are called ${name}`);
    report.set(name, outcomeOf(inner));
  }
  return report;
}

function outcomeOf(inner: string): string | null {
  if (inner.includes('<skipped>')) return 'skipped by h2spec: the answers hold no DATA';
  const found = /<(error|failure)>([\s\S]*?)<\/\1>/.exec(inner);
  return found ? (found[2] ?? '').replaceAll('\n', ' | ') : null;
}

/** The section of a case, which h2spec takes as an argument. */
export function sectionOf(name: string): string {
  return name.slice(0, name.indexOf(':'));
}
