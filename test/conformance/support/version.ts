// Waiting until a server that has just started is at its version. Called by tests that compare what
// servers say of versions: the cluster's is decided and stored only some time after the start, and
// anew after seconds when a member was late.

import { waitFor } from '../../support/wait.js';

const LIMIT_MS = 30_000;

/** The first two numbers. */
function majorMinor(version: unknown): string {
  return String(version).split('.').slice(0, 2).join('.');
}

/** Waits until cluster and storage at `host:port` have the version of the server. */
export async function versionIsDecided(address: string): Promise<void> {
  const isDecided = async () => {
    const answer = await fetch(`http://${address}/version`);
    const said = (await answer.json()) as Record<string, unknown>;
    const wanted = majorMinor(said.etcdserver);
    return majorMinor(said.etcdcluster) === wanted && majorMinor(said.storage) === wanted;
  };
  await waitFor(`the version of ${address}`, isDecided, LIMIT_MS, 50);
}
