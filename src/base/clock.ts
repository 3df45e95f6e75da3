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
  /** Calls back every `intervalMs`; calls that were missed are not made up for. */
  every(intervalMs: number, callback: () => void): Cancel;
  /** Calls back once, after everything that has come in by now. */
  soon(callback: () => void): void;
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
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};
