// Lease keep-alives of streams that the plane serves by itself, a batch at a time: one confirmation
// of leadership and one turn for all that can be renewed at once. What has to wait (for another
// leader, an entry to be applied, a revocation) is asked for one by one, as lease.ts does it.
// Answers stay in each call's order; an error ends its call.

import type { CallContext } from '../../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../../base/errors.js';
import type { ResponseHeader } from '../../../base/proto/messages.js';
import type { Access } from '../../access.js';
import { checkRenewal, type LeaseKeysHost } from '../../auth/lease-permissions.js';
import type { Leases } from '../../leases.js';
import type { Answer, Renewal } from './records.js';

/** What is needed of the member. */
export interface KeepAliveMember extends LeaseKeysHost {
  header(): ResponseHeader;
  leaderKnown(): Promise<void>;
}

export interface KeepAliveParts {
  readonly member: KeepAliveMember;
  readonly leases: Pick<Leases, 'renew' | 'renewNow'>;
  readonly access: Pick<Access, 'enabled' | 'requireUser'>;
  readonly errors: Pick<ErrorTable, 'refusalCode'>;
  /** Instead of a TTL: to be asked again, with credentials. */
  readonly askAgain: number;
  /** Takes answers; the header belongs to all of them. */
  readonly answer: (header: ResponseHeader, answers: readonly Answer[]) => void;
}

/** A renewal of a call whose turn comes behind others of it; with its TTL once that is known. */
interface Late {
  readonly lease: bigint;
  readonly seconds: number | null;
}

export class KeepAlives {
  readonly #parts: KeepAliveParts;

  constructor(parts: KeepAliveParts) {
    this.#parts = parts;
  }

  /** Never rejects: every renewal is answered, or its call is ended. */
  async batch(renewals: readonly Renewal[]): Promise<void> {
    const { member, leases, access, askAgain } = this.#parts;
    const header = member.header();
    if (access.enabled) {
      this.#parts.answer(
        header,
        renewals.map(({ call }) => ({ call, result: askAgain })),
      );
      return;
    }
    let seconds: readonly (number | null)[];
    try {
      seconds = await leases.renewNow(renewals.map(({ lease }) => lease));
    } catch (error) {
      this.#fail(header, new Set(renewals.map(({ call }) => call)), error);
      return;
    }
    this.#answer(header, renewals, seconds);
  }

  /** One renewal in the name of whoever the context says. Never rejects. */
  async one({ call, lease }: Renewal, context: CallContext): Promise<void> {
    const { member, leases, access, answer } = this.#parts;
    try {
      await member.leaderKnown();
      await checkRenewal(member, await access.requireUser(context), lease);
      const header = member.header();
      const result = Number(await leases.renew(lease));
      answer(header, [{ call, result }]);
    } catch (error) {
      this.#fail(member.header(), [call], error);
    }
  }

  #answer(
    header: ResponseHeader,
    renewals: readonly Renewal[],
    renewed: readonly (number | null)[],
  ): void {
    const now: Answer[] = [];
    const late = new Map<number, Late[]>();
    renewals.forEach(({ call, lease }, place) => {
      const seconds = renewed[place] ?? null;
      const waiting = late.get(call);
      if (waiting !== undefined) {
        waiting.push({ lease, seconds });
      } else if (seconds === null) {
        late.set(call, [{ lease, seconds }]);
      } else {
        now.push({ call, result: seconds });
      }
    });
    if (now.length > 0) {
      this.#parts.answer(header, now);
    }
    for (const [call, waiting] of late) {
      void this.#slowly(call, waiting);
    }
  }

  async #slowly(call: number, late: readonly Late[]): Promise<void> {
    const { member, leases, access, askAgain, answer } = this.#parts;
    try {
      for (const { lease, seconds } of late) {
        await member.leaderKnown();
        const header = member.header();
        if (access.enabled) {
          answer(header, [{ call, result: askAgain }]);
        } else {
          const result = seconds ?? Number(await leases.renew(lease));
          answer(header, [{ call, result }]);
        }
      }
    } catch (error) {
      this.#fail(member.header(), [call], error);
    }
  }

  #fail(header: ResponseHeader, calls: Iterable<number>, error: unknown): void {
    const known = error instanceof MetaStoreError ? error : MetaStoreError.of('Internal');
    const result = -this.#parts.errors.refusalCode(known);
    this.#parts.answer(
      header,
      [...calls].map((call) => ({ call, result })),
    );
  }
}
