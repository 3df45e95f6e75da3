// A log that says nothing, and one that prints. Simulations are quiet unless somebody looks at one
// seed (seeds.ts).

import type { LogFields, Logger } from '../../../../src/base/log/logger.js';

const nothing = () => undefined;

export const silentLog: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  child: () => silentLog,
  enabled: () => false,
};

/** Prints every line behind what `prefix` gives. */
export function printingLog(prefix: () => string): Logger {
  const line =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      const text = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      process.stderr.write(`${prefix()} ${level} ${message} ${text.join(' ')}\n`);
    };
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    fatal: line('fatal'),
    child: (name) => printingLog(() => `${prefix()} ${name}:`),
    enabled: () => true,
  };
}
