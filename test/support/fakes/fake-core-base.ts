// The calls of the native core that FakeCore has no use for: exports of state, entries of other
// members, stepping. A test that comes to one of them wants the simulator's core instead.

import type { Backup, InstalledSnapshot, SnapshotExport } from '../../../src/storage/native.js';
import { noPlane } from './no-network.js';

function unsupported(name: string): never {
  throw new Error(`FakeCore has no ${name}`);
}

export class FakeCoreBase {
  /** Calls of failHandedOver, for tests to look at. */
  readonly failedBefore: { readonly term: number; readonly code: number }[] = [];
  /** Tables of permissions in the order given. */
  readonly authTables: Buffer[] = [];

  /** Nothing is granted here: whoever proposes takes. */
  grantProposals(): boolean {
    return false;
  }
  grantedEntries(): Float64Array {
    return new Float64Array();
  }
  revokeGrant(): Float64Array {
    return new Float64Array();
  }
  setAuth(table: Uint8Array): void {
    this.authTables.push(Buffer.from(table));
  }
  readonly openPlane = noPlane.openPlane;
  checkRange(): number {
    return 0;
  }
  takeForwards(_maxOperations: number, _maxBytes: number, _term: number): Buffer | null {
    return null;
  }
  returnForwards(): void {
    unsupported('returnForwards');
  }
  enqueueForwarded(): number {
    return unsupported('enqueueForwarded');
  }
  failHandedOver(term: number, code: number): void {
    this.failedBefore.push({ term, code });
  }
  cachedEntries(): Buffer | null {
    return unsupported('cachedEntries');
  }
  readEntries(): void {
    unsupported('readEntries');
  }
  inspectEntries(): Float64Array | null {
    return unsupported('inspectEntries');
  }
  exportSnapshot(): Promise<SnapshotExport> {
    return unsupported('exportSnapshot');
  }
  readExport(): Promise<Buffer> {
    return unsupported('readExport');
  }
  closeExport(): void {
    unsupported('closeExport');
  }
  openBackup(): Promise<Backup> {
    return unsupported('openBackup');
  }
  readBackup(): Promise<Buffer | null> {
    return unsupported('readBackup');
  }
  closeBackup(): void {
    unsupported('closeBackup');
  }
  openImport(): Promise<number> {
    return unsupported('openImport');
  }
  writeImport(): Promise<void> {
    return unsupported('writeImport');
  }
  closeImport(): void {
    unsupported('closeImport');
  }
  installSnapshot(): Promise<InstalledSnapshot> {
    return unsupported('installSnapshot');
  }
  /** Nobody is told anything before the completions tell it. */
  revision(): number {
    return 0;
  }
  step(): boolean {
    return false;
  }
  crash(): void {
    unsupported('crash');
  }
}
