// Where the interaction harness writes: one buffer for its own text and the nodes' log lines,
// with a level below which log lines are dropped. Used by the harness only.

import type { Logger, LogText } from '../../../../src/raft/index.js';

export const levelNames = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const;

const NONE_LEVEL = levelNames.length - 1;

export class Output implements Logger {
  #text = '';
  #level = 0;

  get level(): number {
    return this.#level;
  }

  /** @param name any case; false if it is not a level */
  setLevel(name: string): boolean {
    const level = (levelNames as readonly string[]).indexOf(name.toUpperCase());
    if (level < 0) {
      return false;
    }
    this.#level = level;
    return true;
  }

  restoreLevel(level: number): void {
    this.#level = level;
  }

  write(text: string): void {
    if (this.#level < NONE_LEVEL) {
      this.#text += text;
    }
  }

  /** Everything written since the last call. */
  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  /** Writes what the function writes with every line indented by two blanks. */
  indented(inner: () => void): void {
    const before = this.take();
    try {
      inner();
    } finally {
      const nested = this.take();
      this.#text = before + indentLines(nested);
    }
  }

  debug(text: LogText): void {
    this.#log(0, text);
  }

  info(text: LogText): void {
    this.#log(1, text);
  }

  warning(text: LogText): void {
    this.#log(2, text);
  }

  error(text: LogText): void {
    this.#log(3, text);
  }

  fatal(text: LogText): void {
    this.#log(4, text);
  }

  #log(level: number, text: LogText): void {
    if (level >= this.#level) {
      this.write(`${levelNames[level]} ${text()}\n`);
    }
  }
}

function indentLines(text: string): string {
  if (text === '') {
    return '';
  }
  const lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n');
  return lines.map((line) => `  ${line}\n`).join('');
}
