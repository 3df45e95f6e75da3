// Small helpers about bytes that several modules share.
// Nothing here copies.

/**
 * A Buffer as the Uint8Array that it is. Node's type declarations do not say so to every TypeScript
 * version; this is the one place that does.
 */
export function bytesOf(buffer: Buffer): Uint8Array {
  return buffer as unknown as Uint8Array;
}

/** An id as logs and paths show it: lower-case hexadecimal without leading zeros. */
export function hexId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
