// The servers whose wire is compared: MetaStore over each of its client transports, and a real
// etcd. Also what the tests of hostile clients measure of a process.

import { readFileSync } from 'node:fs';

import { type MemberOptions, MemberProcess } from '../../process.js';
import type { CertificateFiles } from '../certificates.js';

export type Transport = 'native' | 'grpc-js';

/** The transports that are tested here, or those that are to be tested alone. */
export const transports: readonly Transport[] = transportsToTest();

function transportsToTest(): readonly Transport[] {
  const all: readonly Transport[] = ['native', 'grpc-js'];
  const given = process.env.METASTORE_TEST_TRANSPORTS?.split(',');
  if (given !== undefined) return all.filter((transport) => given.includes(transport));
  // Reduced runs are about the default; the other one has its own, smaller suite.
  const isFull = process.env.METASTORE_TEST_FULL === '1';
  return isFull ? all : all.slice(0, 1);
}

/** True when a real etcd is at hand to compare with. */
export const hasReference = Boolean(process.env.METASTORE_ETCD);

export function flagsOf(transport: Transport): readonly string[] {
  return [`--client-transport=${transport}`];
}

export interface StartOptions {
  readonly flags?: readonly string[];
  /** With these, clients are served under TLS alone. */
  readonly certificate?: CertificateFiles;
}

/** Starts a member in memory that serves clients over the transport. */
export function startOver(
  transport: Transport,
  { flags = [], certificate }: StartOptions = {},
): Promise<MemberProcess> {
  const all = [...flagsOf(transport), ...flags];
  return startListening({ engine: 'memory', flags: all }, certificate);
}

/** Starts the real etcd that METASTORE_ETCD names. */
export function startReference({
  flags = [],
  certificate,
}: StartOptions = {}): Promise<MemberProcess> {
  const command = process.env.METASTORE_ETCD;
  if (command === undefined) throw new Error('METASTORE_ETCD names no etcd');
  return startListening({ engine: null, command, flags }, certificate);
}

async function startListening(
  options: MemberOptions,
  certificate: CertificateFiles | undefined,
): Promise<MemberProcess> {
  const member = await MemberProcess.prepare(options);
  const url = `https://${member.endpoint}`;
  const secure =
    certificate === undefined
      ? []
      : [
          `--listen-client-urls=${url}`,
          `--advertise-client-urls=${url}`,
          `--cert-file=${certificate.certFile}`,
          `--key-file=${certificate.keyFile}`,
        ];
  await member.restart(secure);
  return member;
}

/** Memory of a process that is in use, in MiB; 0 where the system does not tell. */
export function residentMiB(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
