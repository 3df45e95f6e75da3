// A server under test that is told exactly where to listen, for tests of ports and of TLS: one
// member on ports of its own, ready when this resolves.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';

import { freePorts } from '../ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../process.js';
import { tempDir } from '../temp-dir.js';
import { within } from '../wait.js';
import type { CertificateFiles } from './certificates.js';
import { EtcdClient } from './client.js';

export interface ListeningOptions {
  /** By default the text that comes when clients are served. */
  readonly until?: string;
  readonly cwd?: string;
}

/** Starts a member with these flags beside those of its directory and peer port. */
export async function startListening(
  flags: readonly string[],
  { until = 'serving client traffic', cwd }: ListeningOptions = {},
): Promise<RunningProcess> {
  const started = await launchListening(flags, cwd);
  try {
    await within('a start', started.waitForOutput(until), 20_000);
  } catch (error) {
    started.signal('SIGKILL');
    throw error;
  }
  return started;
}

/** The same without waiting. */
export async function launchListening(
  flags: readonly string[],
  cwd?: string,
): Promise<RunningProcess> {
  const [peerPort = 0] = await freePorts(1);
  const peer = `http://127.0.0.1:${peerPort}`;
  const all = [
    '--storage-engine=memory',
    `--data-dir=${join(tempDir('listening'), 'data')}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    ...flags,
  ];
  return new RunningProcess(launcher, all, serverEnvironment(), cwd);
}

export async function kill(started: RunningProcess): Promise<void> {
  started.signal('SIGKILL');
  await within('dying', started.exited, 10_000);
}

/** A gRPC client over TLS. */
export function secureClient(
  endpoint: string,
  caFile: string,
  own: CertificateFiles | null = null,
): EtcdClient {
  const credentials = grpc.credentials.createSsl(
    readFileSync(caFile),
    own === null ? null : readFileSync(own.keyFile),
    own === null ? null : readFileSync(own.certFile),
  );
  return new EtcdClient(endpoint, {}, credentials);
}
