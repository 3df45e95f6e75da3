// A log file that is set aside under a dated name when it is large enough, and what becomes of the
// files set aside: compressed, and removed by number or age. The settings and names of files are
// those of the lumberjack library, whose JSON etcd's flag takes. Used by the sinks of the log.

import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface RotationOptions {
  /** Mebibytes at which the file is set aside; 0 means 100. */
  readonly maxsize: number;
  /** Days after which files set aside are removed; 0: never. */
  readonly maxage: number;
  /** How many of them are kept; 0: all. */
  readonly maxbackups: number;
  /** Names have local time instead of UTC. */
  readonly localtime: boolean;
  readonly compress: boolean;
}

export const noRotationLimits: RotationOptions = {
  maxsize: 0,
  maxage: 0,
  maxbackups: 0,
  localtime: false,
  compress: false,
};

const MEBIBYTE = 2 ** 20;
const DEFAULT_MEBIBYTES = 100;
const DAY_MS = 24 * 3600_000;
const COMPRESSED = '.gz';

/** `2026-11-21T15-04-05.000`, which sorts by time and is a name on every file system. */
function stamp(unixMs: number, localtime: boolean): string {
  const zoneMs = localtime ? new Date(unixMs).getTimezoneOffset() * 60_000 : 0;
  return new Date(unixMs - zoneMs).toISOString().slice(0, -1).replaceAll(':', '-');
}

interface Backup {
  readonly path: string;
  readonly unixMs: number;
  readonly compressed: boolean;
}

export class RotatedFile {
  readonly #path: string;
  readonly #options: RotationOptions;
  readonly #now: () => number;
  #fd: number;
  #size: number;
  #tidying: Promise<void> | null = null;

  /** Opens the file, with its directory. @throws Error of the file system */
  constructor(path: string, options: RotationOptions, now: () => number = Date.now) {
    this.#path = path;
    this.#options = options;
    this.#now = now;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    const limit = (this.#options.maxsize || DEFAULT_MEBIBYTES) * MEBIBYTE;
    if (this.#size > 0 && this.#size + bytes.length > limit) {
      this.#rotate();
    }
    try {
      this.#size += writeSync(this.#fd, new Uint8Array(bytes));
    } catch {
      // A full disk costs lines of the log, not the server.
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Resolves when files set aside so far are compressed and removed as they should be. */
  async tidied(): Promise<void> {
    await this.#tidying;
  }

  #rotate(): void {
    try {
      renameSync(this.#path, this.#freeName());
      const fd = openSync(this.#path, 'a', 0o600);
      closeSync(this.#fd);
      this.#fd = fd;
    } catch {
      // The old file goes on; the next attempt comes when as much has been written again.
    }
    this.#size = 0;
    const before = this.#tidying ?? Promise.resolve();
    this.#tidying = before.then(() => this.#tidy()).catch(() => undefined);
  }

  #freeName(): string {
    const extension = extname(this.#path);
    const stem = this.#path.slice(0, this.#path.length - extension.length);
    const taken = new Set(this.#backups().map(({ path }) => path.replace(/\.gz$/, '')));
    for (let later = 0; ; later++) {
      const name = `${stem}-${stamp(this.#now() + later, this.#options.localtime)}${extension}`;
      if (!taken.has(name)) {
        return name;
      }
    }
  }

  /** The files set aside, newest first. */
  #backups(): Backup[] {
    const folder = dirname(this.#path);
    const extension = extname(this.#path);
    const prefix = `${basename(this.#path, extension)}-`;
    const found: Backup[] = [];
    for (const name of readdirSync(folder)) {
      const compressed = name.endsWith(extension + COMPRESSED);
      const end = compressed ? extension + COMPRESSED : extension;
      const middle = name.slice(prefix.length, name.length - end.length);
      const parts = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(middle);
      if (name.startsWith(prefix) && name.endsWith(end) && parts !== null) {
        const zone = this.#options.localtime ? '' : 'Z';
        const unixMs = Date.parse(`${parts[1]}${parts[2]}:${parts[3]}:${parts[4]}${zone}`);
        found.push({ path: join(folder, name), unixMs, compressed });
      }
    }
    return found.sort((a, b) => b.unixMs - a.unixMs);
  }

  async #tidy(): Promise<void> {
    const { maxbackups, maxage, compress } = this.#options;
    const oldest = maxage > 0 ? this.#now() - maxage * DAY_MS : Number.NEGATIVE_INFINITY;
    const kept: Backup[] = [];
    for (const backup of this.#backups()) {
      const tooMany = maxbackups > 0 && kept.length >= maxbackups;
      if (tooMany || backup.unixMs < oldest) {
        rmSync(backup.path, { force: true });
      } else {
        kept.push(backup);
      }
    }
    for (const { path, compressed } of compress ? kept : []) {
      if (!compressed) {
        await pipeline(
          createReadStream(path),
          createGzip(),
          createWriteStream(path + COMPRESSED, { mode: 0o600 }),
        );
        rmSync(path, { force: true });
      }
    }
  }
}
