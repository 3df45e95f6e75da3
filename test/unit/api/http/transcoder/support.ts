// A log that keeps its errors, so that tests can say whether there were any. Called by the tests
// beside it.

import type { LogFields, Logger } from '../../../../../src/base/log/logger.js';

export class RecordingLog implements Logger {
  readonly errors: string[] = [];

  debug(): void {}
  info(): void {}
  warn(): void {}

  error(message: string, fields: LogFields = {}): void {
    this.errors.push(`${message}: ${String(fields.error)}`);
  }

  fatal(message: string): void {
    this.error(message);
  }

  child(): Logger {
    return this;
  }

  enabled(): boolean {
    return true;
  }
}
