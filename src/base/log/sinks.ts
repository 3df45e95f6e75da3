// Where finished log lines go: the standard streams, files, a rotated file, systemd's journal.
// Opened by the logger. Lines are written at once and whole: what was logged before a crash is
// there after it.

import { closeSync, openSync, writeSync } from 'node:fs';

import { bytesOf } from '../bytes.js';
import { RotatedFile, type RotationOptions } from './rotation.js';

/** Takes finished lines, each with its end. */
export interface LineSink {
  write(line: string): void;
  close(): void;
}

/** Sends one datagram to a socket file; the answer is an errno, 0 when it was taken. */
export type SendDatagram = (path: string, bytes: Uint8Array) => number;

export interface OutputOptions {
  /** 'stderr', 'stdout', 'default' (stderr), 'systemd/journal', or a file to append to. */
  readonly outputs: readonly string[];
  /** Rotates the one file among the outputs. */
  readonly rotation?: RotationOptions | null;
  /** How the journal is reached. */
  readonly sendDatagram?: SendDatagram;
}

export const JOURNAL = 'systemd/journal';
const JOURNAL_SOCKET = '/run/systemd/journal/socket';
const NOWHERE = '/dev/null';

/** Whether an output is the name of a file. */
export function isFile(output: string): boolean {
  return !['default', 'stderr', 'stdout', JOURNAL, NOWHERE].includes(output);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
};

/** Writes all of a line, waiting for a pipe whose reader is slow. */
function writeWhole(fd: number, line: string): void {
  let rest = Buffer.from(line);
  for (let attempt = 0; rest.length > 0 && attempt < 10_000; attempt++) {
    try {
      rest = rest.subarray(writeSync(fd, bytesOf(rest)));
    } catch (error) {
      // Nobody can be told that nobody reads the log any more.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
        return;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function stream(fd: number): LineSink {
  return { write: (line) => writeWhole(fd, line), close: () => undefined };
}

function plainFile(path: string): LineSink {
  let fd: number;
  try {
    fd = openSync(path, 'a', 0o600);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new Error(`open sink "${path}": open ${path}: ${reasons[code] ?? message}`);
  }
  return { write: (line) => writeWhole(fd, line), close: () => closeSync(fd) };
}

/** Of syslog, by the level that a line begins with. */
const priorities: Readonly<Record<string, number>> = {
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  panic: 2,
  fatal: 2,
};

/** One line in the journal's own protocol: a name and a value for each field. */
export function journalMessage(line: string): Buffer {
  const text = Buffer.from(line.replace(/\n$/, ''));
  const level = /^\{"level":"(\w+)"/.exec(line)?.[1] ?? 'info';
  const rest = Buffer.from(`\nPRIORITY=${priorities[level] ?? 6}\nSYSLOG_IDENTIFIER=metastore\n`);
  if (!text.includes('\n')) {
    return Buffer.concat([Buffer.from('MESSAGE='), text, rest].map(bytesOf));
  }
  // A value of several lines comes with its length.
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([Buffer.from('MESSAGE\n'), length, text, rest].map(bytesOf));
}

function journal(send: SendDatagram | undefined): LineSink {
  // Without contents this only looks whether somebody is there.
  const missing = send === undefined ? 2 : send(JOURNAL_SOCKET, new Uint8Array());
  if (send === undefined || missing !== 0) {
    const reason = missing === 2 ? 'no such file or directory' : `errno ${missing}`;
    throw new Error(`can't find journal (dial unixgram ${JOURNAL_SOCKET}: connect: ${reason})`);
  }
  const write = (line: string) => {
    // What the journal does not take, such as a line beyond the size of a datagram, is not lost.
    if (send(JOURNAL_SOCKET, bytesOf(journalMessage(line))) !== 0) {
      writeWhole(2, line);
    }
  };
  return { write, close: () => undefined };
}

function openOne(output: string, options: OutputOptions): LineSink {
  if (output === 'default' || output === 'stderr') {
    return stream(2);
  }
  if (output === 'stdout') {
    return stream(1);
  }
  if (output === JOURNAL) {
    return journal(options.sendDatagram);
  }
  const { rotation = null } = options;
  return rotation !== null && isFile(output)
    ? new RotatedFile(output, rotation)
    : plainFile(output);
}

/** @throws Error that says which output cannot be opened, and why */
export function openSinks(options: OutputOptions): LineSink {
  // Who names it wants no log at all.
  const names = options.outputs.includes(NOWHERE) ? [] : [...new Set(options.outputs)];
  const sinks = names.map((output) => openOne(output, options));
  return {
    write: (line) => {
      for (const sink of sinks) {
        sink.write(line);
      }
    },
    close: () => {
      for (const sink of sinks.splice(0)) {
        sink.close();
      }
    },
  };
}
