// The checks that every call passes before its own handler, in the documented order: capability,
// learner, client version, leader. Written once, for whatever transport; wraps each handler when
// the table is built.

import { isUtf8 } from 'node:buffer';
import type { CallContext, Handler, ServerStream, StreamHandler } from '../base/call.js';
import { MetaStoreError } from '../base/errors.js';

/** What the checks look at. */
export interface GuardedMember {
  readonly isLearner: boolean;
  /** 0 when no leader is known. */
  readonly leader: bigint;
  readonly membership: { readonly version: string | null };
}

/** Whether a learner may serve the call; asked only there. */
export type LearnerRule = (request: Buffer | null) => boolean;

/** One reason for all streams. */
const streamOver = new Error('the stream is over');

/** Polls without a leader after which a stream that requires one is ended. */
const MISSED_POLLS_MAX = 3;

/** Hears of each call that has got as far as its API version, with the version it names. */
export type CountCall = (kind: Handler['kind'], version: string | undefined) => void;

function checkCommon(
  member: GuardedMember,
  context: CallContext,
  onLearner: boolean,
  count: (version: string | undefined) => void,
): void {
  if (member.membership.version === null) {
    throw MetaStoreError.of('NotCapable');
  }
  if (member.isLearner && !onLearner) {
    throw MetaStoreError.of('NotSupportedForLearner');
  }
  const version = context.metadata('client-api-version');
  if (version !== undefined && !isUtf8(Buffer.from(version, 'latin1'))) {
    throw MetaStoreError.of('InvalidClientApiVersion');
  }
  count(version);
  if (context.metadata('hasleader') === 'true' && member.leader === 0n) {
    throw MetaStoreError.of('NoLeader');
  }
}

/** Streams have to end that live elsewhere: all of them, or those that require a leader. */
export type EndElsewhere = (code: 'NoLeader' | 'Stopped', requiringLeaderOnly: boolean) => void;

interface OpenStream {
  readonly end: (error: MetaStoreError) => void;
  readonly requiresLeader: boolean;
}

/**
 * Every stream that is open: those that require a leader end once the member has had none for three
 * polls in a row, and all of them end when the member stops.
 */
export class OpenStreams {
  readonly #member: GuardedMember;
  readonly #open = new Set<OpenStream>();
  #elsewhere: EndElsewhere = () => {};
  #missed = 0;
  #stopped = false;

  constructor(member: GuardedMember) {
    this.#member = member;
  }

  /** Streams that native code serves by itself end for the same reasons. Once. */
  onEnd(end: EndElsewhere): void {
    this.#elsewhere = end;
  }

  /** Called once per election timeout. */
  poll(): void {
    this.#missed = this.#member.leader === 0n ? this.#missed + 1 : 0;
    if (this.#missed >= MISSED_POLLS_MAX) {
      this.#end('NoLeader', (stream) => stream.requiresLeader);
      this.#elsewhere('NoLeader', true);
    }
  }

  /** Ends all of them, and those still to come. */
  stop(): void {
    this.#stopped = true;
    this.#end('Stopped', () => true);
    this.#elsewhere('Stopped', false);
  }

  /** Runs a stream's handler until it is done, or the stream has to end. */
  async run(handle: StreamHandler, context: CallContext, stream: ServerStream): Promise<void> {
    if (this.#stopped) {
      throw MetaStoreError.of('Stopped');
    }
    const ending = new AbortController();
    const inner: CallContext = {
      metadata: (name) => context.metadata(name),
      peer: context.peer,
      commonName: context.commonName,
      signal: AbortSignal.any([context.signal, ending.signal]),
    };
    const requiresLeader = context.metadata('hasleader') === 'true';
    let open: OpenStream | null = null;
    const ended = new Promise<never>((_resolve, reject) => {
      open = { end: reject, requiresLeader };
      this.#open.add(open);
    });
    try {
      await Promise.race([handle(inner, stream), ended]);
    } finally {
      if (open !== null) {
        this.#open.delete(open);
      }
      ending.abort(streamOver);
    }
  }

  #end(code: 'NoLeader' | 'Stopped', chosen: (stream: OpenStream) => boolean): void {
    for (const stream of [...this.#open].filter(chosen)) {
      this.#open.delete(stream);
      stream.end(MetaStoreError.of(code));
    }
  }
}

/** The handler with the checks in front. */
export function guarded(
  handler: Handler,
  member: GuardedMember,
  streams: OpenStreams,
  onLearner: LearnerRule,
  count: CountCall = () => {},
): Handler {
  const counted = (version: string | undefined) => count(handler.kind, version);
  if (handler.kind === 'unary') {
    const { handle } = handler;
    return {
      kind: 'unary',
      handle: async (context, request) => {
        checkCommon(member, context, !member.isLearner || onLearner(request), counted);
        return handle(context, request);
      },
    };
  }
  const { handle } = handler;
  return {
    kind: 'stream',
    handle: async (context, stream) => {
      checkCommon(member, context, !member.isLearner || onLearner(null), counted);
      return streams.run(handle, context, stream);
    },
  };
}
