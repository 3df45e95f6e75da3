// Metrics of the process: those of prom-client (cpu, memory, descriptors, event loop, collections),
// and what other client libraries show beside them. Called once, when the server is composed.

import { readdirSync, readFileSync } from 'node:fs';

import type { Counter } from 'prom-client';

import type { Metrics } from './metrics.js';
import { diskMetrics } from './tables/disk.js';
import { processMetrics } from './tables/process.js';

/** What other libraries write when there is no limit. */
const UNLIMITED = 2 ** 64;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not Linux: the number stays 0
  }
}

/** A soft limit of /proc/self/limits, by the name of its row. */
function limit(name: string): number {
  const row = read('/proc/self/limits')
    .split('\n')
    .find((line) => line.startsWith(name));
  const text = row?.slice(name.length).trim().split(/\s+/)[0];
  return text === undefined ? 0 : text === 'unlimited' ? UNLIMITED : Number(text);
}

/** Numbers of a section of /proc/self/net/netstat: a line of names, and one of values. */
export function netstatNumbers(text: string, section: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(`${section}:`));
  const [names = [], values = []] = lines.map((line) => line.split(/\s+/));
  return new Map(names.slice(1).map((name, i) => [name, Number(values[i + 1] ?? 0)]));
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length - 1; // the listing itself has one open
  } catch {
    return 0;
  }
}

/** Adds them to the registry. `precisionMs`: how often the delay of the event loop is sampled. */
export function addProcessMetrics(metrics: Metrics, precisionMs = 20): void {
  metrics.onOpen(({ collectDefaultMetrics }, register) => {
    // The library counts from now on; what the process has used before counts as well.
    const { user, system } = process.cpuUsage();
    collectDefaultMetrics({ register, eventLoopMonitoringPrecision: precisionMs });
    for (const [name, micros] of [
      ['user_', user],
      ['system_', system],
      ['', user + system],
    ] as const) {
      const counter = register.getSingleMetric(`process_cpu_${name}seconds_total`);
      (counter as Counter | undefined)?.inc(micros / 1e6);
    }
  });
  metrics.value(processMetrics.virtualMaxBytes).set(limit('Max address space'));
  metrics.value(diskMetrics.fdLimit).set(limit('Max open files'));
  const used = metrics.value(diskMetrics.fdUsed);
  const received = metrics.value(processMetrics.receivedBytes);
  const transmitted = metrics.value(processMetrics.transmittedBytes);
  metrics.onScrape(() => {
    used.set(openFiles());
    const network = netstatNumbers(read('/proc/self/net/netstat'), 'IpExt');
    received.set(network.get('InOctets') ?? 0);
    transmitted.set(network.get('OutOctets') ?? 0);
  });
}
