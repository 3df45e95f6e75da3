// TypeScript's part in the streams that the plane serves by itself: who creates a watch, which
// leases are renewed, and when streams have to end. Called with the plane's events by the native
// transport; made by compose.

import { type CallContext, CallEnding } from '../../../base/call.js';
import type { ErrorTable } from '../../../base/errors.js';
import type { NativePlane, StreamMarks } from '../../../storage/native-plane.js';
import type { Access } from '../../access.js';
import type { OpenStreams } from '../../guard.js';
import type { Leases } from '../../leases.js';
import type { CallMeters } from '../../metrics/calls.js';
import { type KeepAliveMember, KeepAlives } from './keep-alives.js';
import { type Credentials, decodeQuestion, decodeRenewals, encodeAnswers } from './records.js';

/** Commands of the plane for its streams. */
export type StreamCommands = Pick<NativePlane, 'watchCaller' | 'keepAlivesDone' | 'endStreams'>;

export interface PlaneStreamParts {
  readonly member: KeepAliveMember;
  readonly leases: Pick<Leases, 'renew' | 'renewNow'>;
  readonly access: Pick<Access, 'enabled' | 'requireUser' | 'caller'>;
  readonly errors: Pick<ErrorTable, 'refusalCode' | 'codeOf'>;
  readonly calls: Pick<CallMeters, 'counted'>;
  readonly marks: StreamMarks;
}

/** A context of no more than credentials, for calls that live elsewhere. */
class CredentialContext extends CallEnding implements CallContext {
  readonly #credentials: Credentials;

  constructor(credentials: Credentials) {
    super();
    this.#credentials = credentials;
  }

  metadata(name: string): string | undefined {
    return this.#credentials.metadata.get(name);
  }

  get peer(): string {
    return this.#credentials.peer;
  }

  get commonName(): string | null {
    return this.#credentials.commonName || null;
  }
}

export class PlaneStreams {
  readonly #parts: PlaneStreamParts;
  readonly #keepAlives: KeepAlives;
  #plane: StreamCommands | null = null;

  constructor(parts: PlaneStreamParts) {
    const { member, leases, access, errors, marks } = parts;
    this.#parts = parts;
    this.#keepAlives = new KeepAlives({
      ...{ member, leases, access, errors, askAgain: marks.askAgain },
      answer: (header, answers) => this.#plane?.keepAlivesDone(encodeAnswers(header, answers)),
    });
  }

  /** The plane has been made: its streams end with the others. Once. */
  attach(plane: StreamCommands, streams: OpenStreams): void {
    const { errors } = this.#parts;
    this.#plane = plane;
    streams.onEnd((code, requiringLeaderOnly) =>
      plane.endStreams(errors.codeOf(code), requiringLeaderOnly),
    );
  }

  /** An event: renewals of one lane's turn. */
  keepAlives(record: Buffer): void {
    void this.#keepAlives.batch(decodeRenewals(record));
  }

  /** An event: a stream has something to ask or to tell. */
  caller(record: Buffer): void {
    const question = decodeQuestion(record, this.#parts.marks);
    if (question.kind === 'opened') {
      this.#parts.calls.counted('stream', question.version);
    } else if (question.kind === 'watcher') {
      void this.#identify(question.call, new CredentialContext(question.credentials));
    } else {
      const context = new CredentialContext(question.credentials);
      void this.#keepAlives.one(question.renewal, context);
    }
  }

  async #identify(call: number, context: CallContext): Promise<void> {
    const { access, errors } = this.#parts;
    const { userName, authRevision, refusal } = await access.caller(context);
    this.#plane?.watchCaller(call, userName, authRevision, errors.refusalCode(refusal));
  }
}
