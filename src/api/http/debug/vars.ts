// GET /debug/vars: what somebody who looks at a member wants to know first, as a JSON object: its
// command line without secrets, memory, the event loop, the state of Raft. Called by the router.

import { readFileSync } from 'node:fs';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

import { hexId } from '../../../base/bytes.js';
import type { HttpResponse } from '../../../base/call.js';
import type { Member } from '../../../server/member.js';

/** Flags whose values nobody else may see. */
const secretFlag = /^(--?[a-z-]*(?:password|secret|user|discovery-token)[a-z-]*=)(.+)$/i;
const secretName = /^--?[a-z-]*(?:password|secret|user|discovery-token)[a-z-]*$/i;

const HIDDEN = '<hidden>';

/** A command line with its secrets hidden, also those that are words of their own. */
export function withoutSecrets(words: readonly string[]): string[] {
  return words.map((word, position) => {
    const before = words[position - 1] ?? '';
    if (secretName.test(before) && !word.startsWith('-')) {
      return HIDDEN;
    }
    return word.replace(secretFlag, `$1${HIDDEN}`);
  });
}

/** Files that the process may have open; 0 where the system does not say. */
function fileDescriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Memory under the names that scrapers of this page know, as far as they mean something here. */
function memory(): Record<string, unknown> {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const heap = getHeapStatistics();
  return {
    Alloc: heapUsed + external,
    Sys: rss,
    HeapAlloc: heapUsed,
    HeapSys: heapTotal,
    HeapIdle: Math.max(0, heapTotal - heapUsed),
    HeapInuse: heapUsed,
    External: external,
    ArrayBuffers: arrayBuffers,
    HeapLimit: heap.heap_size_limit,
    MallocedMemory: heap.malloced_memory,
    NativeContexts: heap.number_of_native_contexts,
    DetachedContexts: heap.number_of_detached_contexts,
    Spaces: getHeapSpaceStatistics().map(({ space_name, space_size, space_used_size }) => ({
      Name: space_name,
      Size: space_size,
      Used: space_used_size,
    })),
  };
}

/**
 * The turns of JavaScript's event loop so far, for whoever wants to know whether they grow with the
 * load; null where this Node does not count them.
 */
function eventLoop(): Record<string, unknown> {
  const { uvMetricsInfo } = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  const { active, idle } = performance.eventLoopUtilization();
  return { turns: uvMetricsInfo?.loopCount ?? null, activeMs: active, idleMs: idle };
}

export type VarsMember = Pick<
  Member,
  | 'id'
  | 'leader'
  | 'isLeader'
  | 'isLearner'
  | 'raftTerm'
  | 'committedIndex'
  | 'appliedIndex'
  | 'membership'
  | 'raftProgress'
>;

function raftStatus(member: VarsMember): Record<string, unknown> {
  const progress: Record<string, unknown> = {};
  for (const { id } of member.isLeader ? member.membership.list() : []) {
    const found = member.raftProgress(id);
    if (found !== null) {
      progress[hexId(id)] = { match: found.match };
    }
  }
  return {
    id: hexId(member.id),
    term: member.raftTerm,
    commit: member.committedIndex,
    lead: hexId(member.leader),
    raftState: member.isLeader ? 'StateLeader' : 'StateFollower',
    applied: member.appliedIndex,
    isLearner: member.isLearner,
    progress,
  };
}

/** Answers a GET of /debug/vars: one member of the object on each line. */
export function debugVars(member: VarsMember): HttpResponse {
  const vars = {
    cmdline: withoutSecrets(process.argv),
    file_descriptor_limit: fileDescriptorLimit(),
    memstats: memory(),
    'event.loop': eventLoop(),
    'raft.status': raftStatus(member),
  };
  const lines = Object.entries(vars).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: `{\n${lines.join(',\n')}\n}\n`,
  };
}
