// What one server sends on the watch streams of the differential test, kept in the form in which
// servers are compared: the control answers of each stream in order, and for each watcher the
// concatenation of its events. Checks on the way what holds for any one server. Called by run.ts.

import type { Message } from '../support/calls.js';
import { show } from './canonical.js';

export class WatchLog {
  readonly name: string;
  /** created and canceled answers, as text without identities. */
  readonly controls: string[] = [];
  /** One list for each watcher that ever was, in the order of their created answers. */
  readonly events: string[][] = [];
  eventCount = 0;
  /** Broken promises: order, atomicity, ids. */
  readonly violations: string[] = [];
  readonly #byId = new Map<bigint, { events: string[]; newest: bigint; inFragment: boolean }>();

  constructor(name: string) {
    this.name = name;
  }

  take(response: Message): void {
    const id = response.watch_id as bigint;
    if (response.created === true || response.canceled === true) {
      this.#takeControl(id, response);
      return;
    }
    const watcher = this.#byId.get(id);
    const events = response.events as Message[];
    if (watcher === undefined) {
      this.violations.push(`message for watcher ${id}, which does not exist: ${show(response)}`);
      return;
    }
    const revision = (response.header as Message).revision as bigint;
    const inFragment = watcher.inFragment;
    watcher.inFragment = response.fragment === true;
    events.forEach((event, index) => {
      const at = (event.kv as Message).mod_revision as bigint;
      const goesOn = index > 0 || inFragment;
      if (at < watcher.newest || (at === watcher.newest && !goesOn)) {
        this.violations.push(`watcher ${id}: event at ${at} after ${watcher.newest}`);
      }
      if (at > revision) this.violations.push(`watcher ${id}: event at ${at}, header ${revision}`);
      watcher.newest = at;
      watcher.events.push(show(event));
    });
    this.eventCount += events.length;
  }

  #takeControl(id: bigint, response: Message): void {
    const { header, ...rest } = response;
    const revision = ((header as Message | null)?.revision ?? 0n) as bigint;
    this.controls.push(show({ ...rest, revision }));
    if (response.created === true && response.canceled !== true) {
      const events: string[] = [];
      this.events.push(events);
      this.#byId.set(id, { events, newest: 0n, inFragment: false });
    } else if (response.canceled === true && response.created !== true) {
      // A watcher cancelled by a compaction stays known until the client cancels it too.
      if (response.compact_revision === 0n) this.#byId.delete(id);
    }
  }
}

/** The first difference between two servers' logs of one stream, or null. */
export function firstDifference(a: WatchLog, b: WatchLog): string | null {
  const lists: [string, readonly string[], readonly string[]][] = [
    ['control answers', a.controls, b.controls],
    ...a.events.map((events, index): [string, readonly string[], readonly string[]] => [
      `events of watcher number ${index}`,
      events,
      b.events[index] ?? [],
    ]),
  ];
  for (const [what, left, right] of lists) {
    const length = Math.max(left.length, right.length);
    for (let index = 0; index < length; index += 1) {
      if (left[index] === right[index]) continue;
      return `${what}, number ${index} of ${left.length} and ${right.length}:
  ${a.name}: ${left[index] ?? '(none)'}
  ${b.name}: ${right[index] ?? '(none)'}`;
    }
  }
  return null;
}
