// What the command line prints about itself: version, usage, help.
// Called by main; the version lines are parsed by tools.

import { arch, platform } from 'node:os';
import { ETCD_VERSION, packageVersion } from '../../base/package.js';
import type { FlagRow } from '../flags/row.js';
import { flagSections } from '../flags/table.js';

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** The lines of `--version`. Tools parse the first and choose their flags by it. */
export function versionText(): string {
  const goArch = goArchitectures[arch()] ?? arch();
  return [
    `etcd Version: ${ETCD_VERSION}`,
    'Git SHA: none',
    `Go Version: none (Node.js ${process.version})`,
    `Go OS/Arch: ${platform()}/${goArch}`,
    `MetaStore Version: ${packageVersion()}`,
    '',
  ].join('\n');
}

/** Programs that the `etcd` binary holds and this one does not, and what to use instead. */
const subcommands: Readonly<Record<string, string>> = {
  'grpc-proxy': '`etcd grpc-proxy` of an etcd 3.7 release works in front of these servers',
};

/** Why a subcommand is refused; null for what is none. */
export function subcommandProblem(name: string): string | null {
  const instead = subcommands[name];
  return instead === undefined
    ? null
    : `metastore: there is no subcommand ${name} here: ${instead}\n`;
}

export const usageText = `Usage:

  metastore [flags]
    Start a server.

  metastore snapshot status | restore
    Look into a backup, or start a cluster from one.

  metastore --version
    Show the version.

  metastore -h | --help
    Show the help about flags.

  metastore gateway start
    Pass TCP connections on to the members of a cluster.

`;

function flagText(row: FlagRow): string {
  const quoted = row.kind === 'bool' || typeof row.defaultText !== 'string';
  const shown = quoted ? row.defaultText : `'${row.defaultText}'`;
  return `  --${row.name} ${shown}\n    ${row.help}.`;
}

/** The list of all flags by section. */
export function flagsText(): string {
  const sections = flagSections.map(
    ([title, rows]) => `${title}:\n${rows.map(flagText).join('\n')}\n`,
  );
  return `${sections.join('\n')}\n`;
}
