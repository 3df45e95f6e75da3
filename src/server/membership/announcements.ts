// What a member proposes about itself and the cluster, unasked: its name and URLs at every start,
// the alarm that its space is used up. Called by Member.

import { hexId } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import * as rpc from '../../base/proto/messages.js';
import { type Alarms, AlarmType } from '../../state/alarms.js';
import { NEWEST_ENTRY_FORMAT } from '../../storage/entry-run.js';
import type { MemberOptions } from '../options.js';

/** What is needed of the member. */
export interface Announcer {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly alarms: Alarms;
  readonly stopping: boolean;
  propose(request: Buffer): Promise<Buffer>;
  execute(method: 'Alarm', request: Buffer): Promise<Buffer>;
}

const ACTIVATE = 1;
/** Pause before an announcement is tried again. */
const RETRY_MS = 10;

export class Announcements {
  readonly #member: Announcer;
  readonly #clock: Clock;
  readonly #log: Logger;
  #raisingNoSpace = false;
  #endPause: () => void = () => undefined;

  constructor(member: Announcer, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#member = member;
    this.#log = log;
  }

  /**
   * Tells the cluster this member's name and client URLs; tried until it works, however long there
   * is no leader.
   *
   * @throws MetaStoreError Stopped
   */
  async attributes(): Promise<void> {
    const { id, clusterId, options } = this.#member;
    const { name, clientUrls } = options;
    const request = rpc.internalRaftRequest.encode({
      cluster_member_attr_set: {
        member_ID: id,
        member_attributes: {
          name,
          client_urls: clientUrls,
          entry_format: NEWEST_ENTRY_FORMAT,
        },
      },
    });
    let reported = '';
    while (!this.#member.stopping) {
      try {
        await this.#member.propose(request);
        this.#log.info('published local member to cluster through raft', {
          'local-member-id': hexId(id),
          'local-member-attributes': `{Name:${name} ClientURLs:[${clientUrls.join(' ')}]}`,
          'cluster-id': hexId(clusterId),
        });
        return;
      } catch (error) {
        if (this.#member.stopping) {
          break;
        }
        if (String(error) !== reported) {
          reported = String(error);
          this.#log.warn('failed to publish local member to cluster through raft', { error });
        }
        // A refusal comes at once while the log is applied again, which needs the loop's turns.
        await this.#pause();
      }
    }
    throw MetaStoreError.of('Stopped');
  }

  /** The member stops: nothing is tried again. */
  stop(): void {
    this.#endPause();
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#clock.after(RETRY_MS, resolve);
    });
  }

  /** Raises the NOSPACE alarm of this member, unless it is raised or on its way. */
  noSpace(): void {
    const { id, alarms } = this.#member;
    const own = (a: { memberId: bigint; alarm: number }) =>
      a.alarm === AlarmType.NoSpace && a.memberId === id;
    if (this.#raisingNoSpace || alarms.list().some(own)) {
      return;
    }
    this.#raisingNoSpace = true;
    this.#log.warn('alarm raised', { alarm: 'NOSPACE', 'raised-by-member-id': hexId(id) });
    const request = rpc.alarmRequest.encode({
      action: ACTIVATE,
      memberID: id,
      alarm: AlarmType.NoSpace,
    });
    this.#member
      .execute('Alarm', request)
      .catch((error: unknown) => this.#log.warn('failed to raise the alarm', { error }))
      .finally(() => {
        this.#raisingNoSpace = false;
      });
  }
}
