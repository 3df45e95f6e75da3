// The log of the process: JSON objects, one a line (or tab-separated lines for people), on stderr
// unless told otherwise. Service managers and test frameworks read these lines, so their form is
// part of the interface: level, ts (RFC 3339, microseconds, zone), logger if named, caller, msg,
// and then the fields.

import { Sampler } from './sampling.js';
import { JOURNAL, type LineSink, type OutputOptions, openSinks } from './sinks.js';

export const logLevels = ['debug', 'info', 'warn', 'error', 'panic', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Logs at the highest level; the caller ends the process. */
  fatal(message: string, fields?: LogFields): void;
  /** The same log with a name of its own on each line. */
  child(name: string): Logger;
  enabled(level: LogLevel): boolean;
}

/** The root logger, whose level can be changed while it is in use. */
export interface RootLogger extends Logger {
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
  close(): void;
}

export interface LogOptions extends OutputOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'console';
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  if (minutes === 0) {
    return 'Z';
  }
  const magnitude = Math.abs(minutes);
  const sign = minutes < 0 ? '-' : '+';
  return `${sign}${twoDigits(Math.floor(magnitude / 60))}${twoDigits(magnitude % 60)}`;
}

/** RFC 3339 with six digits of fraction and the local zone, `Z` for UTC. */
export function formatTimestamp(unixMs: number): string {
  const date = new Date(unixMs);
  const micros = Math.floor((unixMs - Math.floor(unixMs)) * 1000);
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  const month = twoDigits(date.getMonth() + 1);
  const day = `${date.getFullYear()}-${month}-${twoDigits(date.getDate())}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
  return `${day}T${time}.${millis}${String(micros).padStart(3, '0')}${zone(date)}`;
}

function nowMicros(): string {
  return formatTimestamp(performance.timeOrigin + performance.now());
}

/** `folder/file.js:line` of whoever called the logger. */
function callerOf(stack: string | undefined): string {
  const line = stack?.split('\n')[1] ?? '';
  const match = /([^/\\(]+[/\\][^/\\]+:\d+):\d+\)?$/.exec(line);
  return match?.[1] ?? 'unknown';
}

/** Levels whose lines say how it came to them, and are never left out as repetitions. */
const grave: ReadonlySet<LogLevel> = new Set(['error', 'panic', 'fatal']);

/** Who called whom, without the line that repeats the message. */
function framesOf(stack: string | undefined): string {
  const frames = (stack ?? '').split('\n').slice(1);
  return frames.map((frame) => frame.trim().replace(/^at /, '')).join('\n');
}

/** Values that JSON has no form for, in the form that tools expect. */
function plainFields(fields: LogFields): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === 'bigint') {
      plain[key] = value.toString();
    } else {
      plain[key] = value instanceof Error ? value.message : value;
    }
  }
  return plain;
}

/** One JSON line as a person reads it: time, level, logger, caller, message, fields. */
export function toConsoleLine(json: string): string {
  const { level, ts, logger, caller, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const head = logger === undefined ? [ts, level, caller, msg] : [ts, level, logger, caller, msg];
  const parts = head.map(String);
  if (Object.keys(fields).length > 0) {
    parts.push(JSON.stringify(fields));
  }
  return `${parts.join('\t')}\n`;
}

/** What a log and its named children share. */
interface Shared {
  level: LogLevel;
  readonly write: (line: string) => void;
  readonly close: () => void;
  readonly sampler: Sampler;
}

class LineLogger implements RootLogger {
  readonly #shared: Shared;
  readonly #name: string | null;

  constructor(shared: Shared, name: string | null) {
    this.#shared = shared;
    this.#name = name;
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#write('debug', message, fields, this.debug);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#write('info', message, fields, this.info);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#write('warn', message, fields, this.warn);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#write('error', message, fields, this.error);
  }

  fatal(message: string, fields: LogFields = {}): void {
    this.#write('fatal', message, fields, this.fatal);
  }

  child(name: string): Logger {
    return new LineLogger(this.#shared, name);
  }

  enabled(level: LogLevel): boolean {
    return logLevels.indexOf(level) >= logLevels.indexOf(this.#shared.level);
  }

  setLevel(level: LogLevel): void {
    this.#shared.level = level;
  }

  close(): void {
    this.#shared.close();
  }

  #write(level: LogLevel, message: string, fields: LogFields, from: unknown): void {
    const isGrave = grave.has(level);
    const { sampler, write } = this.#shared;
    if (!this.enabled(level) || !(isGrave || sampler.admits(level, message))) {
      return;
    }
    const place: { stack?: string } = {};
    Error.captureStackTrace(place, from as (...args: never[]) => unknown);
    const head = {
      level,
      ts: nowMicros(),
      ...(this.#name === null ? {} : { logger: this.#name }),
      caller: callerOf(place.stack),
      msg: message,
    };
    const trace = isGrave ? { stacktrace: framesOf(place.stack) } : {};
    write(encode({ ...plainFields(fields), ...trace }, head));
  }
}

/** One line: the fixed keys first, which a field of the same name does not change. */
function encode(fields: Record<string, unknown>, head: Record<string, unknown>): string {
  try {
    return `${JSON.stringify({ ...head, ...fields, ...head }, plainValue)}\n`;
  } catch (error) {
    // What refers to itself has no form as JSON; the message still counts.
    return `${JSON.stringify({ ...head, 'fields-lost': (error as Error).message })}\n`;
  }
}

/** Integers of 64 bits within fields, which JSON has no form for. */
function plainValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/**
 * Opens the log; other places than those of the options are for tests.
 *
 * @throws Error when an output cannot be opened
 */
export function createLogger(options: LogOptions, sink?: LineSink): RootLogger {
  const lines = sink ?? openSinks(options);
  // The journal gets what programs can read, in any case.
  const isPlain = options.format === 'json' || options.outputs.includes(JOURNAL);
  const write = isPlain ? lines.write : (line: string) => lines.write(toConsoleLine(line));
  const { level } = options;
  const sampler = new Sampler(() => performance.now());
  return new LineLogger({ level, write, close: () => lines.close(), sampler }, null);
}
