// Whether this member serves, as the health service tells it: always, but for the time of a
// defragmentation where an option wants that. Asked by src/api/services; told by Maintenance.

import type { Logger } from '../../base/log/logger.js';

const MESSAGE = 'grpc service status changed';
/** The name under which all services are known together. */
const ALL_SERVICES = '';

export class ServingStatus {
  readonly #log: Logger;
  readonly #listeners = new Set<(isServing: boolean) => void>();
  // Works under way that nobody is to be sent to this member for.
  #pauses = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  get isServing(): boolean {
    return this.#pauses === 0;
  }

  /** Calls back after each change; the result ends that. */
  onChange(listener: (isServing: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Says so in the log; when the member begins to serve. */
  begin(): void {
    this.#log.info(MESSAGE, { service: ALL_SERVICES, status: 'SERVING' });
  }

  /** Does not serve until the work is done, however it ends. */
  async paused<T>(reason: string, work: () => Promise<T>): Promise<T> {
    this.#pauses += 1;
    if (this.#pauses === 1) {
      this.#log.warn(MESSAGE, { service: ALL_SERVICES, status: 'NOT_SERVING', reason });
      this.#tell();
    }
    try {
      return await work();
    } finally {
      this.#pauses -= 1;
      if (this.#pauses === 0) {
        this.begin();
        this.#tell();
      }
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) {
      listener(this.isServing);
    }
  }
}
