// GET /metrics: what is known so far, in the text form of Prometheus (version 0.0.4). The names are
// those that dashboards and alerts for etcd use.

import { hexId } from '../../base/bytes.js';
import { ETCD_VERSION } from '../../base/package.js';
import type { Member } from '../../server/member.js';

type Labels = Readonly<Record<string, string>>;

/** The text of one answer, metric by metric. */
export class MetricText {
  readonly #lines: string[] = [];

  add(type: 'counter' | 'gauge', name: string, value: number, labels: Labels = {}): void {
    this.#lines.push(`# TYPE ${name} ${type}`, `${name}${labelText(labels)} ${value}`);
  }

  /**
   * @param data for each bound how many values it covers, those of smaller bounds included, and the
   *   sum of all values
   * @param count of all values, also those above the last bound
   */
  histogram(
    name: string,
    bounds: readonly number[],
    data: { readonly buckets: readonly number[]; readonly sum: number },
    count: number,
  ): void {
    this.#lines.push(`# TYPE ${name} histogram`);
    bounds.forEach((bound, i) => {
      this.#lines.push(`${name}_bucket{le="${bound}"} ${data.buckets[i] ?? 0}`);
    });
    this.#lines.push(`${name}_bucket{le="+Inf"} ${count}`);
    this.#lines.push(`${name}_sum ${data.sum}`, `${name}_count ${count}`);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function addProcess(text: MetricText): void {
  const { rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  text.add('counter', 'process_cpu_seconds_total', (user + system) / 1e6);
  text.add('gauge', 'process_resident_memory_bytes', rss);
  text.add('gauge', 'process_start_time_seconds', performance.timeOrigin / 1000);
}

/** The metrics of one member; bounds of its histograms come from the addon. */
export function metricsText(member: Member, syncSecondsBounds: readonly number[]): string {
  const text = new MetricText();
  const core = member.coreStatus();
  const server = 'etcd_server_';
  text.add('gauge', `${server}has_leader`, member.leader === 0n ? 0 : 1);
  text.add('gauge', `${server}is_leader`, member.isLeader ? 1 : 0);
  text.add('gauge', `${server}is_learner`, member.isLearner ? 1 : 0);
  text.add('gauge', `${server}id`, 1, { server_id: hexId(member.id) });
  text.add('gauge', `${server}version`, 1, { server_version: ETCD_VERSION });
  text.add('gauge', `${server}proposals_committed_total`, member.committedIndex);
  text.add('gauge', `${server}proposals_applied_total`, member.appliedIndex);
  text.add('gauge', `${server}proposals_pending`, core.queuedOperations);
  text.add('gauge', `${server}quota_backend_bytes`, member.options.core.quotaBytes);
  text.add('gauge', 'etcd_mvcc_db_total_size_in_bytes', core.dbSizeBytes);
  text.add('gauge', 'etcd_mvcc_db_total_size_in_use_in_bytes', core.dbSizeInUseBytes);
  const debugging = 'etcd_debugging_mvcc_';
  text.add('gauge', `${debugging}current_revision`, core.revision);
  text.add('gauge', `${debugging}compact_revision`, core.compactRevision);
  text.add('gauge', `${debugging}watch_stream_total`, core.watchStreams);
  text.add('gauge', `${debugging}watcher_total`, core.watchers);
  text.add('gauge', `${debugging}slow_watcher_total`, core.slowWatchers);
  text.add('counter', `${debugging}events_total`, core.watchEvents);
  const syncs = 'etcd_disk_wal_fsync_duration_seconds';
  text.histogram(syncs, syncSecondsBounds, core.logSyncSeconds, core.logSyncs);
  // Of MetaStore alone: how much work one wake-up of the replica loop does.
  text.add('counter', 'metastore_replica_turns_total', member.turns);
  addProcess(text);
  return text.toString();
}

/** The content type of this text. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
