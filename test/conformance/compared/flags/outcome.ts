// What one start of a server comes to, as far as both programs can be compared: whether it serves
// or ends, the exit status, what plain text and which last log line say. Called by flags.test.ts.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePorts } from '../../../support/ports.js';
import {
  type LogLine,
  launcher,
  RunningProcess,
  serverEnvironment,
} from '../../../support/process.js';
import { tempDir } from '../../../support/temp-dir.js';
import { within } from '../../../support/wait.js';

/** One way to start a server. `{dir}`, `{c}`, `{p}` and `{x}` stand for a directory and ports. */
export interface FlagCase {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Contents of a configuration file, which `--config-file` then names. */
  readonly file?: string;
  /** Without the flags that give every server ports and a directory of its own. */
  readonly bare?: boolean;
  /** A text that both logs must have. */
  readonly logs?: string;
  /** Why MetaStore comes to something else, and to what. */
  readonly differs?: { readonly why: string; readonly to: Partial<Outcome> };
}

export interface Outcome {
  /** Exit status, `serves`, or the signal. */
  readonly end: number | string;
  /** The first line of plain text on stderr. */
  readonly plain: string;
  readonly level: string;
  readonly msg: string;
  readonly error: string;
}

const LIMIT_MS = 30_000;

/** The flags by which many servers run beside each other. */
const own: readonly string[] = [
  '--data-dir={dir}/data',
  '--listen-client-urls=http://127.0.0.1:{c}',
  '--advertise-client-urls=http://127.0.0.1:{c}',
  '--listen-peer-urls=http://127.0.0.1:{p}',
  '--initial-advertise-peer-urls=http://127.0.0.1:{p}',
  '--initial-cluster=default=http://127.0.0.1:{p}',
];

/** What a configuration file begins with for the same reason. */
const ownFile = own
  .map((flag) => flag.slice(2).replace('=', ': '))
  .join('\n')
  .concat('\n');

function lastLine(lines: readonly LogLine[]): Pick<Outcome, 'level' | 'msg' | 'error'> {
  const last = lines.at(-1);
  const error = last?.error === undefined ? '' : String(last.error);
  return { level: last?.level ?? '', msg: last?.msg ?? '', error };
}

/** Starts `program` as the case says, waits until it serves or ends, and stops it. */
export async function outcomeOf(
  { args = [], env = {}, file, bare = false }: FlagCase,
  program: string | null,
): Promise<{ outcome: Outcome; log: string }> {
  const dir = tempDir('flags');
  const [c = 0, p = 0, x = 0] = await freePorts(3);
  const places: Readonly<Record<string, string | number>> = { dir, c, p, x };
  const fill = (text: string) =>
    text.replaceAll(/\{(dir|c|p|x)\}/g, (_all, name: string) => String(places[name]));
  const strip = (text: string) =>
    Object.entries(places).reduce(
      (rest, [name, value]) => rest.replaceAll(String(value), `{${name}}`),
      text,
    );
  const words = [...(bare || file !== undefined ? [] : own), ...args].map(fill);
  if (file !== undefined) {
    writeFileSync(join(dir, 'config'), fill(bare ? file : ownFile + file));
    words.push(`--config-file=${join(dir, 'config')}`);
  }
  const filled = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)]));
  const started = new RunningProcess(program ?? launcher, words, serverEnvironment(filled), dir);
  const ready = started.waitForOutput('ready to serve client requests').then(
    () => true,
    () => false,
  );
  const serves = await within('an outcome', ready, LIMIT_MS).catch(() => false);
  started.signal('SIGKILL');
  const { code, signal } = await within('the end', started.exited, LIMIT_MS);
  const plain = started.stderr.split('\n').find((line) => line !== '' && !line.startsWith('{'));
  const nothing = { level: '', msg: '', error: '' };
  const { level, msg, error } = serves ? nothing : lastLine(started.logLines());
  const outcome = {
    end: serves ? 'serves' : (code ?? signal ?? ''),
    plain: serves ? '' : strip(plain ?? ''),
    level,
    msg,
    error: strip(error),
  };
  return { outcome, log: started.stderr };
}
