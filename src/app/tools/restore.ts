// Makes the data directory of a member of a new cluster out of a backup: the rows become an image,
// which a core that is opened on the empty directory takes in as it takes in another member's
// snapshot. Called by tools/snapshot.ts; afterwards a server is started on the directory.

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { bytesOf } from '../../base/bytes.js';
import { encodeConfState } from '../../cluster/conf-state.js';
import { bootstrapMemberId } from '../../cluster/ids.js';
import { Membership } from '../../cluster/membership.js';
import { type InitialMember, newIdentity } from '../../server/bootstrap/plan.js';
import type { Addon, MemberCore, OpenOptions, RestoredImage } from '../../storage/native.js';
import type { BackupFile } from './backup-file.js';

/** The state counts as the effect of this term's entries, one for each member. */
const FIRST_TERM = 1;
const CHUNK_BYTES = 4 << 20;
const CRC_BYTES = 4;
const ALIVE_MS = 10_000;
/** Bit-reversed polynomial of CRC-32C. */
const CASTAGNOLI = 0x82f63b78;

export interface RestorePlan {
  readonly backup: BackupFile;
  readonly name: string;
  readonly members: readonly InitialMember[];
  readonly token: string;
  /** With the data directory and all that a core is opened with, but for the ids. */
  readonly core: OpenOptions;
  readonly bumpRevision: number;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI : crc >>> 1;
  }
  return crc;
});

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** @throws Error when anything lies in the directory */
function checkEmpty(directory: string, what: string): void {
  let isEmpty = !existsSync(directory);
  try {
    isEmpty ||= readdirSync(directory).length === 0;
  } catch {
    // No directory, or none that may be read.
  }
  if (!isEmpty) {
    throw new Error(`${what} "${directory}" not empty or could not be read`);
  }
}

/** Rows of a cluster of exactly these members, all of which vote. */
function clusterRows({ members, token }: RestorePlan) {
  const membership = Membership.restore(new Map());
  const ids = members.map(({ peerUrls }) => bootstrapMemberId(peerUrls, token));
  const rows = members.flatMap(({ name, peerUrls }, at) =>
    membership.add(ids[at] ?? 0n, { name, peerUrls, isLearner: false }),
  );
  const voters = [...ids].sort((a, b) => (a < b ? -1 : 1));
  const none: readonly bigint[] = [];
  const others = { learners: none, votersOutgoing: none, learnersNext: none, autoLeave: false };
  rows.push(encodeConfState({ voters, ...others }));
  return rows.map(({ key, value }) => ({ key, value: value ?? new Uint8Array() }));
}

/** The image in chunks, each behind its checksum, as another member would send them. */
async function importImage(core: MemberCore, image: string, sizeBytes: number): Promise<number> {
  const id = await core.openImport('image', sizeBytes);
  const file = openSync(image, 'r');
  try {
    const chunk = Buffer.alloc(CRC_BYTES + CHUNK_BYTES);
    for (let at = 0; at < sizeBytes; ) {
      const read = readSync(file, bytesOf(chunk), CRC_BYTES, CHUNK_BYTES, at);
      if (read === 0) {
        throw new Error(`${image} ends early`);
      }
      const used = chunk.subarray(0, CRC_BYTES + read);
      used.writeUInt32LE(crc32c(bytesOf(used.subarray(CRC_BYTES))));
      await core.writeImport(id, at, bytesOf(used));
      at += read;
    }
  } finally {
    closeSync(file);
  }
  return id;
}

async function install(addon: Addon, plan: RestorePlan, image: string, sizeBytes: number) {
  const { name, members, token } = plan;
  const index = members.length;
  let core: MemberCore | null = null;
  const identity = newIdentity(members, name, token);
  const opened = await addon.open({ ...plan.core, ...identity }, () => core?.drain());
  core = opened.core;
  // Native threads do not keep the process alive by themselves.
  const alive = setInterval(() => undefined, ALIVE_MS);
  try {
    const id = await importImage(core, image, sizeBytes);
    const hardState = { term: FIRST_TERM, vote: 0n, commit: index };
    await core.installSnapshot(id, index, FIRST_TERM, hardState);
  } finally {
    await core.close();
    clearInterval(alive);
  }
}

/**
 * Restores a backup; durable when it resolves. After a failure nothing is left of it.
 *
 * @throws Error that says what is wrong with the backup, the flags or the directories
 */
export async function restore(addon: Addon, plan: RestorePlan): Promise<RestoredImage> {
  const { dataDir, walDir } = plan.core;
  checkEmpty(dataDir, 'data-dir');
  if (walDir !== null) {
    checkEmpty(walDir, 'wal-dir');
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const image = join(dataDir, 'restore.image');
  try {
    const restored = await addon.backups.restore({
      ...plan.backup,
      image,
      index: plan.members.length,
      term: FIRST_TERM,
      bumpRevision: plan.bumpRevision,
      rows: clusterRows(plan),
    });
    await install(addon, plan, image, restored.sizeBytes);
    rmSync(image);
    return restored;
  } catch (error) {
    for (const directory of walDir === null ? [dataDir] : [dataDir, walDir]) {
      rmSync(directory, { recursive: true, force: true });
    }
    throw error;
  }
}
