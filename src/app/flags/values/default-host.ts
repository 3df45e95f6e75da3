// What a member advertises that listens everywhere and was not told what to advertise: the address
// of the interface that the default route goes through, where the system has one.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** Destination and mask of the default route in the kernel's table. */
const ANYWHERE = '00000000';

/** The interface of the default route in the text of /proc/net/route; null when there is none. */
export function defaultInterface(table: string): string | null {
  for (const line of table.split('\n').slice(1)) {
    const [name, destination, , , , , , mask] = line.trim().split(/\s+/);
    if (name !== undefined && destination === ANYWHERE && mask === ANYWHERE) {
      return name;
    }
  }
  return null;
}

/** The IPv4 address that this host has towards the rest of the network; null when unknown. */
export function defaultHost(): string | null {
  let table: string;
  try {
    table = readFileSync('/proc/net/route', 'latin1');
  } catch {
    return null;
  }
  const name = defaultInterface(table);
  const addresses = name === null ? [] : (networkInterfaces()[name] ?? []);
  return addresses.find(({ family }) => family === 'IPv4')?.address ?? null;
}
