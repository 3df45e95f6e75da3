// Time as this program sees it: one interface, so that deadlines, ticks and expiry can be tested
// without waiting. Everything that measures a duration uses the monotonic reading; the wall clock
// is for logs and for identifiers only.

/** Ends a timer; calling it again does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds on a clock that never goes back; its zero has no meaning. */
  nowMs(): number;
  /** Milliseconds since 1970, as the operating system believes. */
  unixMs(): number;
  /** Calls back once after `delayMs`. Such timers do not keep the process alive. */
  after(delayMs: number, callback: () => void): Cancel;
  /**
   * Calls back every `intervalMs`. A call that comes late does not put off the ones behind it;
   * calls that were missed altogether are not made up for.
   */
  every(intervalMs: number, callback: () => void): Cancel;
  /** Calls back once, after everything that has come in by now. */
  soon(callback: () => void): void;
}

/**
 * When a call that was due at `dueMs` and comes at `nowMs` is due again: at the next multiple of
 * the interval. With the interval from `nowMs` on instead, a busy process would tick too slowly:
 * its heartbeats came further apart the more it has to do.
 */
export function nextDueMs(dueMs: number, nowMs: number, intervalMs: number): number {
  const missed = Math.max(0, Math.floor((nowMs - dueMs) / intervalMs));
  return dueMs + (missed + 1) * intervalMs;
}

/** The operating system's clock and the event loop's timers. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every: (intervalMs, callback) => {
    let dueMs = performance.now() + intervalMs;
    const call = (): void => {
      const nowMs = performance.now();
      dueMs = nextDueMs(dueMs, nowMs, intervalMs);
      timer = setTimeout(call, dueMs - nowMs);
      timer.unref();
      callback();
    };
    let timer = setTimeout(call, intervalMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};

/** A duration as logs show it: `845.762µs`, `1.903ms`, `2.5s`, `1m2.5s`, `2h0m0s`. */
export function formatDuration(durationMs: number): string {
  const trimmed = (value: number) => String(Number(value.toFixed(6)));
  if (durationMs === 0) {
    return '0s';
  }
  if (durationMs < 0.001) {
    return `${Math.round(durationMs * 1e6)}ns`;
  }
  if (durationMs < 1) {
    return `${Number((durationMs * 1000).toFixed(3))}µs`;
  }
  if (durationMs < 1000) {
    return `${trimmed(durationMs)}ms`;
  }
  const seconds = durationMs / 1000;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) {
    return `${trimmed(seconds)}s`;
  }
  const rest = `${minutes % 60}m${trimmed(seconds - minutes * 60)}s`;
  return minutes < 60 ? rest : `${Math.floor(minutes / 60)}h${rest}`;
}
