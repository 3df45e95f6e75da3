// Puts the flags together from where they may come: command line, environment, configuration file,
// defaults, by the documented rules of precedence and conflict.

import type { LogFields } from '../../base/log/logger.js';
import type { CommandLine } from './parser.js';
import type { FlagRow, FlagValue } from './row.js';
import { defaultValue, parseVariable } from './values/values.js';

/** A log line that waits for the log to be open. */
export interface Notice {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: LogFields;
}

/** A flag and its variable are both set; ends the start at level fatal. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly variable: string;

  constructor(variable: string) {
    super(
      'conflicting environment variable is shadowed by corresponding command-line flag ' +
        '(either unset environment variable or disable flag))',
    );
    this.variable = variable;
  }
}

export class Flags {
  readonly #values: ReadonlyMap<string, FlagValue>;
  readonly #given: ReadonlySet<string>;
  /** Whether a configuration file took the place of command line and environment. */
  readonly fromFile: boolean;

  constructor(
    values: ReadonlyMap<string, FlagValue>,
    given: ReadonlySet<string>,
    fromFile: boolean,
  ) {
    this.#values = values;
    this.#given = given;
    this.fromFile = fromFile;
  }

  /** Whether somebody set the flag, be it to its default. */
  given(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string): string {
    return this.#typed(name, (value) => typeof value === 'string');
  }

  /** A number; durations in milliseconds. */
  number(name: string): number {
    return this.#typed(name, (value) => typeof value === 'number');
  }

  bool(name: string): boolean {
    return this.#typed(name, (value) => typeof value === 'boolean');
  }

  list(name: string): readonly string[] {
    return this.#typed(name, Array.isArray);
  }

  value(name: string): FlagValue {
    return this.#typed(name, (value) => value !== undefined);
  }

  #typed<T extends FlagValue>(name: string, matches: (value: unknown) => boolean): T {
    const value = this.#values.get(name);
    if (!matches(value)) {
      throw new Error(`flag ${name} is not of the type that is asked for`);
    }
    return value as T;
  }
}

function variableOf(name: string): string {
  return `ETCD_${name.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * Values of flags that the environment sets.
 *
 * @throws ConflictError, or Error for a bad value
 */
function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  table: ReadonlyMap<string, FlagRow>,
  commandLine: ReadonlyMap<string, FlagValue>,
  notices: Notice[],
): Map<string, FlagValue> {
  const given = new Map<string, FlagValue>();
  const used = new Set<string>();
  for (const row of table.values()) {
    const variable = variableOf(row.name);
    const text = environment[variable];
    if (text === undefined || text === '' || row.use.kind === 'ignored') {
      continue;
    }
    if (variable === 'ETCD_VERSION') {
      used.add(variable);
      const message = 'cannot set special environment variable';
      notices.push({ level: 'warn', message, fields: { key: variable, value: text } });
      continue;
    }
    if (commandLine.has(row.name)) {
      throw new ConflictError(variable);
    }
    used.add(variable);
    given.set(row.name, parseVariable(row, variable, text));
    notices.push({
      level: 'info',
      message: 'recognized and used environment variable',
      fields: { 'variable-name': variable, 'variable-value': text },
    });
  }
  for (const [variable, text] of Object.entries(environment)) {
    if (variable.startsWith('ETCD_') && !used.has(variable)) {
      notices.push({
        level: 'warn',
        message: 'unrecognized environment variable',
        fields: { 'environment-variable': `${variable}=${text ?? ''}` },
      });
    }
  }
  return given;
}

/** Reads a configuration file; loaded by those who need it. */
export type ReadFile = (
  path: string,
  table: ReadonlyMap<string, FlagRow>,
) => Map<string, FlagValue>;

/** The configuration file that everything is read from; '' for none. */
export function configFileOf(
  commandLine: CommandLine,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  return String(commandLine.given.get('config-file') ?? environment.ETCD_CONFIG_FILE ?? '');
}

export interface Resolved {
  readonly flags: Flags;
  /** To be logged once the log is open, in order. */
  readonly notices: readonly Notice[];
}

/**
 * All flags with their values. `readFile` reads the configuration file, if there is one.
 *
 * @throws ConflictError, or Error whose message says what is wrong
 */
export function resolveFlags(
  commandLine: CommandLine,
  environment: Readonly<Record<string, string | undefined>>,
  table: ReadonlyMap<string, FlagRow>,
  readFile: ReadFile | null,
): Resolved {
  const notices: Notice[] = [];
  let given = commandLine.given;
  const file = configFileOf(commandLine, environment);
  if (file !== '' && readFile !== null) {
    given = readFile(file, table);
    notices.push({
      level: 'info',
      message:
        'loaded server configuration, other configuration command line flags and environment ' +
        'variables will be ignored if provided',
      fields: { path: file },
    });
  } else {
    const fromEnvironment = readEnvironment(environment, table, given, notices);
    given = new Map([...fromEnvironment, ...given]);
  }
  const values = new Map<string, FlagValue>();
  for (const row of table.values()) {
    const value = given.get(row.name) ?? defaultValue(row);
    // An empty list of URLs stands for the default one, though it was given.
    const isUnsaid = row.kind === 'urls' && Array.isArray(value) && value.length === 0;
    values.set(row.name, isUnsaid ? defaultValue(row) : value);
  }
  return { flags: new Flags(values, new Set(given.keys()), file !== ''), notices };
}
