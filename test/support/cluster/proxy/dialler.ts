// Finds which of some processes holds a local TCP connection, through /proc as documented in
// proc(5): the row of net/tcp gives the socket's inode, the process's fd folder has a link to it.
// Only Linux has it; elsewhere tests that need to know who dials are skipped by name.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Whether diallers can be told apart here. */
export const canFindDialler = existsSync('/proc/net/tcp') && existsSync('/proc/self/fd');

/** Inode of the socket on 127.0.0.1 with this port whose peer has the other; null if none. */
function socketInode(port: number, peerPort: number): string | null {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(4, '0');
  const ends = `0100007F:${hex(port)} 0100007F:${hex(peerPort)} `;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    // Fields: number, local, remote, state, queues, timer, retransmits, user, timeout, inode.
    if (line.includes(ends)) return line.trim().split(/\s+/)[9] ?? null;
  }
  return null;
}

function holdsSocket(pid: number, inode: string): boolean {
  const folder = `/proc/${pid}/fd`;
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return false; // It has ended.
  }
  return names.some((name) => {
    try {
      return readlinkSync(`${folder}/${name}`) === `socket:[${inode}]`;
    } catch {
      return false;
    }
  });
}

/**
 * Which process dialled.
 * @param pids candidates by name
 * @returns undefined when it is none of them, null when the connection is gone
 */
export function diallerOf(
  port: number,
  proxyPort: number,
  pids: ReadonlyMap<string, number>,
): string | undefined | null {
  const inode = socketInode(port, proxyPort);
  if (inode === null || inode === '0') return null;
  for (const [name, pid] of pids) {
    if (holdsSocket(pid, inode)) return name;
  }
  return undefined;
}
