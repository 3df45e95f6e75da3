// What native code tells TypeScript, decoded from one Buffer per wake-up.
//
// Record layout (little-endian): u32 length of what follows, u8 kind, then the fields below. Kinds are
// exported by the addon (`completions`). Byte fields are views into the drained Buffer: no copy.
// Called by server/completions dispatch once per wake-up; kept free of closures for that reason.

/** Handlers, one a kind; called in the order in which things happened. */
export interface CompletionHandler {
  /** Log writes named by append(sequence) are durable. */
  durable(sequence: number): void;
  /** State holds everything up to the index; results of its entries came before. */
  applied(index: number, revision: number): void;
  /** One request has ended: code 0 and the reply message, or an error code. */
  result(ticket: number, code: number, reply: Buffer): void;
  /** Apply stands at this entry until controlDone(). `request` is the InternalRaftRequest or conf change. */
  control(index: number, term: number, type: number, request: Buffer): void;
  /** A lease has been granted (ttl > 0), or revoked (ttl = -1). In log order. */
  lease(id: bigint, ttlSeconds: number): void;
  /** A lease's remaining time was checkpointed. */
  leaseCheckpoint(id: bigint, remainingTtlSeconds: number): void;
  /** One watch message for a stream. */
  watch(stream: number, message: Buffer): void;
  /** State up to the index is durable without the log. */
  checkpoint(durableAppliedIndex: number): void;
  truncated(startIndex: number): void;
  /** Something to log: level 0 info, 1 warn, 2 error; text and JSON fields. */
  log(level: number, message: string, fieldsJson: string): void;
  /** The alarm set changed through the log. */
  alarm(memberId: bigint, alarm: number, active: boolean): void;
  /** A write pushed this member over its quota: propose the NOSPACE alarm. */
  quotaExceeded(): void;
  /** Disk or engine failed: nothing may be acknowledged any more; end the process. */
  fatal(message: string): void;
}
