// `metastore snapshot status` and `metastore snapshot restore`, with the arguments and the answers
// of the same commands of etcdutl: how the data of an etcd, or of another MetaStore, moves in.
// Called by main in place of a server.

import { parseArgs } from 'node:util';

import { createLogger } from '../../base/log/logger.js';
import { humanBytes } from '../../server/upkeep/backups.js';
import { loadAddon } from '../../storage/loader.js';
import { buildConfig } from '../config/config.js';
import { validate } from '../config/validate.js';
import { parseCommandLine } from '../flags/parser.js';
import { resolveFlags } from '../flags/sources.js';
import { flagTable } from '../flags/table.js';
import { openBackup } from './backup-file.js';
import { type RestorePlan, restore } from './restore.js';

export const snapshotUsage = `Usage:

  metastore snapshot status <file> [-w simple|json]
    Show what a backup holds.

  metastore snapshot restore <file> --data-dir <directory> [flags]
    Make the data directory of a new cluster's member out of a backup.

      --name, --initial-cluster, --initial-cluster-token, --initial-advertise-peer-urls,
      --wal-dir, --storage-engine    as for a server
      --skip-hash-check              take a file without a digest, or with a wrong one
      --bump-revision <n>            raise the revision, with --mark-compacted
      --mark-compacted               everything below it counts as compacted

`;

/** Flags that a server has too, and that mean the same there. */
const serverFlags = [
  'data-dir',
  'wal-dir',
  'name',
  'initial-cluster',
  'initial-cluster-token',
  'initial-advertise-peer-urls',
  'storage-engine',
] as const;

/** An exit with this status and text. */
class Refusal extends Error {
  readonly status: number;

  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

function parsed(args: readonly string[]) {
  const texts = Object.fromEntries(serverFlags.map((name) => [name, { type: 'string' as const }]));
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...texts,
      'skip-hash-check': { type: 'boolean' },
      'bump-revision': { type: 'string' },
      'mark-compacted': { type: 'boolean' },
      'initial-memory-map-size': { type: 'string' },
      'write-out': { type: 'string', short: 'w' },
      help: { type: 'boolean', short: 'h' },
    },
  });
}

type Parsed = ReturnType<typeof parsed>;

/** The one file that a command works on. */
function fileOf({ positionals }: Parsed, command: string): string {
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    throw new Refusal(`snapshot ${command} requires exactly one argument`, 128);
  }
  return path;
}

async function status(line: Parsed): Promise<string> {
  const form = line.values['write-out'] ?? 'simple';
  if (form !== 'simple' && form !== 'json') {
    throw new Refusal(`unsupported output format "${form}": simple and json are there`, 128);
  }
  const { path, databaseBytes } = openBackup(fileOf(line, 'status'), false);
  const found = await loadAddon().backups.inspect(path, databaseBytes);
  const { hash, revision, totalKeys: totalKey, storageVersion: version } = found;
  if (form === 'json') {
    return JSON.stringify({ hash, revision, totalKey, totalSize: databaseBytes, version });
  }
  const size = humanBytes(databaseBytes);
  return [hash.toString(16), revision, totalKey, size, ...(version ? [version] : [])].join(', ');
}

function bumpOf({ values }: Parsed): number {
  const text = values['bump-revision'] ?? '0';
  const bump = Number(text);
  if (!/^\d+$/.test(String(text)) || !Number.isSafeInteger(bump)) {
    throw new Refusal(`invalid argument "${text}" for "--bump-revision"`, 128);
  }
  if (bump > 0 && values['mark-compacted'] !== true) {
    throw new Refusal('--mark-compacted required if --revision-bump > 0', 128);
  }
  if (bump === 0 && values['mark-compacted'] === true) {
    throw new Refusal('--mark-compacted requires a --bump-revision above 0', 128);
  }
  return bump;
}

/** The plan of a restore; the flags that a server shares are read as a server reads them. */
function planOf(line: Parsed): RestorePlan {
  const values: Readonly<Record<string, unknown>> = line.values;
  const given = serverFlags.flatMap((name) =>
    typeof values[name] === 'string' ? [`--${name}=${values[name]}`] : [],
  );
  const { flags } = resolveFlags(parseCommandLine(given, flagTable), {}, flagTable, null);
  validate(flags);
  const { start, member } = buildConfig(flags, {});
  const { request } = start;
  if (request.kind !== 'new') {
    throw new Refusal(`data-dir "${member.core.dataDir}" not empty or could not be read`);
  }
  const own = request.members.find(({ name }) => name === start.name);
  const advertised = [...start.peerUrls].sort().join(',');
  if (own !== undefined && [...own.peerUrls].sort().join(',') !== advertised) {
    throw new Refusal(
      `--initial-cluster must include ${start.name}=${advertised} given ` +
        '--initial-advertise-peer-urls',
    );
  }
  return {
    backup: openBackup(fileOf(line, 'restore'), line.values['skip-hash-check'] !== true),
    name: start.name,
    members: request.members,
    token: request.token,
    core: member.core,
    bumpRevision: bumpOf(line),
  };
}

async function restoreCommand(line: Parsed): Promise<void> {
  const log = createLogger({ level: 'info', format: 'json', outputs: ['default'] });
  bumpOf(line);
  const plan = planOf(line);
  const facts = { path: plan.backup.path, 'data-dir': plan.core.dataDir };
  log.info('restoring snapshot', facts);
  const { revision, compactRevision, versions } = await restore(loadAddon(), plan);
  log.info('restored snapshot', {
    ...facts,
    revision,
    'compact-revision': compactRevision,
    versions,
  });
}

/** Runs one command; the exit status. */
export async function snapshotCommand(args: readonly string[]): Promise<number> {
  try {
    const [command = '', ...rest] = args;
    const line = parsed(rest);
    if (line.values.help === true || command === '' || ['help', '-h', '--help'].includes(command)) {
      process.stdout.write(snapshotUsage);
      return 0;
    }
    if (command === 'status') {
      process.stdout.write(`${await status(line)}\n`);
      return 0;
    }
    if (command === 'restore') {
      await restoreCommand(line);
      return 0;
    }
    throw new Refusal(`unknown command "${command}" for "metastore snapshot"\n${snapshotUsage}`);
  } catch (error) {
    process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Refusal ? error.status : 1;
  }
}
