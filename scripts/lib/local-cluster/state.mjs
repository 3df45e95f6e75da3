// What scripts/local-cluster remembers in its data directory: the shape of the cluster, so that a
// second start fits the data, and the processes, so that `stop` finds them. Called by main.mjs.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture } from '../tasks.mjs';

const stateFile = 'local-cluster.json';

/** The state in the directory, or null when there is none. @throws Error when it is unreadable */
export function readState(data) {
  const path = join(data, stateFile);
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error.message}`);
  }
}

export function writeState(data, state) {
  writeFileSync(join(data, stateFile), `${JSON.stringify(state, null, 2)}\n`);
}

/** Whether the process still runs and was started for this directory: ids are used again. */
export function runsFor(pid, data) {
  const found = capture('ps', ['-o', 'args=', '-p', String(pid)]);
  return found.status === 0 && found.stdout.includes(data);
}

/** Whether the script that wrote the state still runs. */
export function isSupervised(state, data) {
  if (!state?.supervisor) return false;
  const found = capture('ps', ['-o', 'args=', '-p', String(state.supervisor)]);
  return found.stdout.includes('local-cluster') && state.data === data;
}

/** Members of the state whose process runs. */
export function runningMembers(state, data) {
  return (state?.members ?? []).filter(({ name, pid }) => pid && runsFor(pid, join(data, name)));
}

/**
 * Makes the directory ready for a cluster.
 * @throws Error when a cluster runs there, or one of another shape has left its data there
 */
export function prepareDirectory(options) {
  const { data, fresh } = options;
  const state = readState(data);
  if (isSupervised(state, data) || runningMembers(state, data).length > 0) {
    throw new Error(`a cluster runs in ${data}: stop it by "scripts/local-cluster stop"`);
  }
  if (fresh && existsSync(data)) {
    if (state === null && readdirSync(data).length > 0) {
      throw new Error(`${data} was not made by this script: it is not removed`);
    }
    rmSync(data, { recursive: true });
  }
  const shape = shapeOf(options);
  if (!fresh && state !== null && JSON.stringify(state.shape) !== JSON.stringify(shape)) {
    const { size, basePort, engines } = state.shape;
    throw new Error(
      `${data} holds a cluster of ${size} members from port ${basePort} on, ` +
        `storage ${engines?.join(' and ') ?? 'of another program'}: ` +
        'start it like that, or give another --data, or --fresh to begin anew',
    );
  }
  mkdirSync(data, { recursive: true });
}

/** What has to be the same from one start on a directory to the next. */
export function shapeOf({ size, basePort, engines, program }) {
  return { size, basePort, engines, program };
}
