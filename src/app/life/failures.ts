// What is said when a server cannot start: the last lines before exit status 1, and what may lie in
// a data directory. Called by the life cycle.

import { readdirSync } from 'node:fs';
import type { RootLogger } from '../../base/log/logger.js';
import { DiscoveryError } from '../../cluster/discovery/registry.js';
import { START_RECORD } from '../../server/bootstrap/directory.js';
import { FORCE_NOTE } from '../../server/bootstrap/force-new.js';
import type { ServerConfig } from '../config/config.js';
import { ListenError } from '../listen/ports.js';

/** What to do about a directory that cannot be opened, by the code of the refusal. */
const advice: Readonly<Record<string, string>> = {
  Locked: 'end the other process, or choose another --data-dir',
  Damaged: 'restore this member from a snapshot, or remove its data and add it as a new member',
  WrongFormat: 'start with the engine and the flags that the directory was made with',
  Io: 'see that the directory exists, is writable and has space left',
};

/** Ends the process with the reason in the last log lines. */
export function failStart(log: RootLogger, config: ServerConfig, error: unknown): never {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof ListenError) {
    log.error(`creating ${error.side} listener failed`, { error: message });
  } else {
    log.error('bootstrap failed', { error: message, 'data-dir': config.dataDir });
  }
  if (error instanceof DiscoveryError) {
    log.warn('failed to bootstrap; discovery token was already used', { error: message });
    log.warn('do not reuse discovery token; generate a new one to bootstrap a cluster');
    process.exit(1);
  }
  const hint = advice[code];
  log.fatal(error instanceof ListenError ? error.title : 'discovery failed', {
    error: message,
    'data-dir': config.dataDir,
    ...(hint === undefined ? {} : { advice: hint }),
  });
  process.exit(1);
}

/** Why a directory X cannot be listed. */
const unlisted: Readonly<Record<string, string>> = {
  ENOTDIR: 'readdirent X: not a directory',
  EACCES: 'open X: permission denied',
};

/** What a server puts into its data directory. */
const ownNames = new Set(['member', 'fixtures', START_RECORD, FORCE_NOTE]);

/**
 * Looks at what lies in the data directory besides this server's own; ends the process when it can
 * be no data directory.
 */
export function inspectDataDir(log: RootLogger, dataDir: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(dataDir);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') {
      const reason = unlisted[code]?.replace('X', dataDir) ?? message;
      log.fatal('failed to list data directory', { dir: dataDir, error: reason });
      process.exit(1);
    }
  }
  if (names.includes('member') && names.includes('proxy')) {
    log.fatal('invalid datadir; both member and proxy directories exist');
    process.exit(1);
  }
  for (const name of names.filter((found) => !ownNames.has(found))) {
    log.warn('found invalid file under data directory', { filename: name, 'data-dir': dataDir });
  }
  log.info('Initialize and start etcd server', {
    'data-dir': dataDir,
    'dir-type': names.includes('member') ? 'member' : 'empty',
  });
}
