// What a member does besides serving, as the flags say. Made by src/app, read by the parts of this
// folder. Durations in milliseconds.

/** Compactions that nobody has to ask for. */
export type AutoCompaction =
  | { readonly mode: 'periodic'; readonly periodMs: number }
  | { readonly mode: 'revision'; readonly revisions: number };

export interface UpkeepOptions {
  /** How long another member may take to answer. */
  readonly requestTimeoutMs: number;
  /** Null for none. */
  readonly autoCompaction: AutoCompaction | null;
  /** Whether the health service says so when this member defragments. */
  readonly stopsServiceOnDefrag: boolean;
  /** Whether data is compared with the other members' before anybody is served. */
  readonly checksAtStart: boolean;
  /** How often the leader compares current data; 0 for never. */
  readonly corruptCheckMs: number;
  /** How often the leader compares what compactions have left behind; 0 for never. */
  readonly compactHashCheckMs: number;
  /** How often the leader looks whether a downgrade is done. */
  readonly downgradeCheckMs: number;
  /**
   * Whether the leader renews a lease that it knows at once, instead of first applying all that is
   * committed.
   */
  readonly renewsAtOnce: boolean;
  /** A start that would free at least this many bytes frees them; 0 for never. */
  readonly defragAtStartBytes: number;
}
