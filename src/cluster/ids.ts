// Identity of members and clusters: ids are hashes of what the operator configured, so that members
// that start with the same flags agree on them without talking to each other.

import { createHash } from 'node:crypto';

function firstEightBytes(parts: readonly (string | Buffer)[]): bigint {
  const hash = createHash('sha1');
  for (const part of parts) {
    hash.update(part as string);
  }
  return hash.digest().readBigUInt64BE(0);
}

/** Id of a member that bootstraps a cluster: its peer URLs and the cluster's token. */
export function bootstrapMemberId(peerUrls: readonly string[], token: string): bigint {
  return firstEightBytes([...[...peerUrls].sort(), token]);
}

/** Id of a cluster: its first members. Later changes of the membership do not change it. */
export function clusterId(memberIds: readonly bigint[]): bigint {
  const ascending = [...memberIds].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return firstEightBytes(
    ascending.map((id) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(id);
      return bytes;
    }),
  );
}

/**
 * Id of a member that is added to a running cluster: its peer URLs and the second in which it is
 * added, so that the same URLs give another id after a removal.
 */
export function runtimeMemberId(peerUrls: readonly string[], unixMs: number): bigint {
  return firstEightBytes([...[...peerUrls].sort(), String(Math.floor(unixMs / 1000))]);
}
