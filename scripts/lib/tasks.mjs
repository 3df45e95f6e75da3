// What every script shares: the repository's root, running programs, headings and durations.
// Node built-ins only, since it runs before any npm package is installed. A program's failure is
// an Error that names the command, so that a script ends with one readable line.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root directory, absolute. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Joins path segments to the repository's root. */
export function inRoot(...segments) {
  return join(root, ...segments);
}

/** Says one line about what the scripts do, on stderr so that stdout stays the program's. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Prints the heading of a suite or step. */
export function heading(text) {
  say(`\n== ${text}`);
}

/** Milliseconds as people read them: `0.42 s`, `61 s`. */
export function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000)} s`;
}

/**
 * Runs one step and says how long it took.
 * @param {string} name what is done, for the log
 * @param {() => unknown} work may return a promise
 */
export async function step(name, work) {
  say(`-- ${name} ...`);
  const started = Date.now();
  const result = await work();
  say(`-- ${name}: ${seconds(Date.now() - started)}`);
  return result;
}

function quote(argument) {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The command as one would type it. */
export function commandLine(program, args) {
  return [program, ...args].map(quote).join(' ');
}

/**
 * Runs a program with the terminal's streams and waits for it.
 * @throws Error naming the command when it fails or cannot be started
 */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw new Error(`${commandLine(program, args)}: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal ?? `exit code ${result.status}`;
    throw new Error(`${commandLine(program, args)}: ${how}`);
  }
}

/** Runs a program quietly: `{status, stdout}`; status is null when it could not be started. */
export function capture(program, args, options = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...options,
  });
  return { status: result.status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
}

/**
 * Runs a program without blocking this process and collects what it prints.
 * @param {{timeoutMs: number}} limits the program is killed past the time
 * @returns status (null when killed), stdout, stderr, whether the time ran out
 */
export function collect(program, args, { timeoutMs, env = process.env, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let pending = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      if (!onLine) return;
      const lines = (pending + text).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', (error) => {
      stderr += `${error.message}\n`;
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, stdout, stderr, timedOut });
    });
  });
}

/** True when the program is found on PATH. */
export function hasProgram(name) {
  return capture('sh', ['-c', `command -v ${quote(name)}`]).status === 0;
}

/** Creates a directory below the root and answers its absolute path. */
export function ensureDirectory(...segments) {
  const path = inRoot(...segments);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Runs a script's main function; an Error becomes one line and exit code 1. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    say(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
