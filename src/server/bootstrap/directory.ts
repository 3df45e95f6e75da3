// What the data directory says of the member that lives in it, before the native side opens it: is
// there a log, and what was the directory made for. Called by prepareStart and by src/app.
//
// The record of the plan is written before the log is made. A start that is killed between making
// the log and its first entry is so resumed with the same members, whatever the flags say then.

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { MemberInfo } from '../../cluster/membership.js';
import type { Identity, InitialMember, JoinPlan, NewClusterPlan } from './plan.js';

/** Name of the record in the data directory; not a file that a stranger left there. */
export const START_RECORD = 'bootstrap.json';

/**
 * Whether a member has lived here: then the flags about the initial cluster mean nothing, and its
 * identity is the stored one.
 */
export function hasLog(dataDir: string, walDir: string | null): boolean {
  try {
    return readdirSync(walDir ?? join(dataDir, 'member', 'wal')).some((name) =>
      name.endsWith('.wal'),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return false;
    }
    throw error;
  }
}

/** What a directory was made for. */
export interface StartRecord {
  readonly identity: Identity;
  readonly plan: NewClusterPlan | JoinPlan;
}

interface RecordJson {
  readonly memberId: string;
  readonly clusterId: string;
  readonly kind: 'new' | 'join';
  readonly token?: string;
  readonly members: readonly (InitialMember & {
    readonly id?: string;
    readonly clientUrls?: readonly string[];
    readonly isLearner?: boolean;
  })[];
}

function encode({ identity, plan }: StartRecord): string {
  const { kind } = plan;
  const members =
    plan.kind === 'new'
      ? plan.members
      : plan.members.map((member) => ({ ...member, id: member.id.toString() }));
  const json: RecordJson = {
    memberId: identity.memberId.toString(),
    clusterId: identity.clusterId.toString(),
    kind,
    ...(plan.kind === 'new' ? { token: plan.token } : {}),
    members,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

function decode(text: string): StartRecord {
  const json = JSON.parse(text) as RecordJson;
  const identity = { memberId: BigInt(json.memberId), clusterId: BigInt(json.clusterId) };
  if (json.kind === 'new') {
    const { members, token = '' } = json;
    return { identity, plan: { kind: 'new', members, token } };
  }
  const members = json.members.map(
    ({ id = '', name, peerUrls, clientUrls = [], isLearner = false }): MemberInfo => ({
      id: BigInt(id),
      name,
      peerUrls,
      clientUrls,
      isLearner,
    }),
  );
  return { identity, plan: { kind: 'join', members } };
}

/**
 * What the directory was made for; null when it says nothing of it.
 *
 * @throws Error when the record is there and cannot be read
 */
export function readStartRecord(dataDir: string): StartRecord | null {
  const path = join(dataDir, START_RECORD);
  try {
    return decode(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw new Error(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Makes what was created, renamed or removed in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Whether the data directory has a file with the name. */
export function hasFile(dataDir: string, name: string): boolean {
  return existsSync(join(dataDir, name));
}

/** Replaces a file of the directory as a whole; durable when it returns. */
export function writeDurably(dataDir: string, name: string, text: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, name);
  const file = openSync(`${path}.tmp`, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.tmp`, path);
  syncDirectory(dataDir);
}

/** Notes what the directory is made for; durable when it returns. */
export function writeStartRecord(dataDir: string, record: StartRecord): void {
  writeDurably(dataDir, START_RECORD, encode(record));
}
