// The load generators: h2load where it is installed (nghttp2-client), which costs so little CPU
// that it leaves the machine to the server; else one over Node's http2, whose own limits then bound
// the figures. The report says which one measured.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Workload } from './messages.js';

export interface Measured {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

export interface Generator {
  readonly name: string;
  run(address: string, workload: Workload, seconds: number): Promise<Measured>;
}

const connectionsMax = 10;

/** Time before a measurement of so many seconds that is not counted. */
export function warmUpSeconds(seconds: number): number {
  return Math.min(1, seconds);
}

/** As many connections as there may be that all get the same number of requests. */
export function connectionsFor(inFlight: number): number {
  for (let count = Math.min(connectionsMax, inFlight); count > 1; count -= 1) {
    if (inFlight % count === 0) return count;
  }
  return 1;
}

function timeLimitMs(seconds: number): number {
  return (seconds + warmUpSeconds(seconds) + 30) * 1000;
}

function runProgram(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}: ${output.slice(-2000)}`));
    });
  });
}

/** `1.23ms`, `456us`, `2.1s` in milliseconds. */
export function milliseconds(text: string): number {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text);
  const factor = { us: 0.001, ms: 1, s: 1000 }[match?.[2] as 'us' | 'ms' | 's'];
  return Number(match?.[1] ?? Number.NaN) * (factor ?? Number.NaN);
}

/** Reads what h2load prints at its end. */
export function readH2load(output: string, seconds: number): Measured {
  const counts = /requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed/.exec(
    output,
  );
  const times = /time for request:\s+(\S+)\s+(\S+)\s+(\S+)/.exec(output);
  const requests = Number(counts?.[1] ?? 0);
  return {
    requests,
    failed: Number(counts?.[2] ?? 0),
    perSecond: requests / seconds,
    meanMs: milliseconds(times?.[3] ?? ''),
    maxMs: milliseconds(times?.[2] ?? ''),
  };
}

function h2load(program: string, version: string): Generator {
  const folder = mkdtempSync(join(tmpdir(), 'metastore-bench-'));
  // Written once each: several runs at a time read the same file.
  const files = new Map<Buffer, string>();
  const fileOf = (body: Buffer): string => {
    const file = files.get(body) ?? join(folder, `body-${files.size}`);
    if (!files.has(body)) writeFileSync(file, body);
    files.set(body, file);
    return file;
  };
  return {
    name: `h2load ${version}, ${connectionsMax} connections at most, one thread`,
    run: async (address, workload, seconds) => {
      const connections = connectionsFor(workload.inFlight);
      const args = [
        ...[`-c${connections}`, `-m${workload.inFlight / connections}`],
        ...[`--duration=${seconds * 1000}ms`, `--warm-up-time=${warmUpSeconds(seconds) * 1000}ms`],
        `-d${fileOf(workload.body)}`,
        ...['-Hcontent-type: application/grpc', '-Hte: trailers'],
        `http://${address}${workload.path}`,
      ];
      return readH2load(await runProgram(program, args, timeLimitMs(seconds)), seconds);
    },
  };
}

function nodeHttp2(): Generator {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'http2-generator.js');
  return {
    name: `Node ${process.version} http2, ${connectionsMax} connections at most, one thread`,
    run: async (address, workload, seconds) => {
      const connections = Math.min(connectionsMax, workload.inFlight);
      const request = { address, ...workload, body: workload.body.toString('base64') };
      const job = JSON.stringify({
        ...request,
        connections,
        seconds,
        warmUpSeconds: warmUpSeconds(seconds),
      });
      const output = await runProgram(process.execPath, [program, job], timeLimitMs(seconds));
      return JSON.parse(output) as Measured;
    },
  };
}

/** h2load when it can be found, by METASTORE_H2LOAD or on PATH. */
export function chooseGenerator(): Generator {
  const program = process.env.METASTORE_H2LOAD ?? 'h2load';
  const answer = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const version = /nghttp2\/(\S+)/.exec(answer.stdout ?? '')?.[1];
  return version === undefined ? nodeHttp2() : h2load(program, version);
}
