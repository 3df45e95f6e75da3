// The program: command line in, exit status out. Started by scripts/metastore; everything that can
// be tested without a process of its own lies in the modules called here.

import { setFlagsFromString } from 'node:v8';
import { createLogger, logLevels, type RootLogger } from '../base/log/logger.js';
import { loadAddon } from '../storage/loader.js';
import { buildConfig, type ServerConfig } from './config/config.js';
import { logOptions } from './config/log.js';
import { ConfigError, validate } from './config/validate.js';
import { parseCommandLine } from './flags/parser.js';
import {
  ConflictError,
  configFileOf,
  type Flags,
  type Notice,
  type Resolved,
  resolveFlags,
} from './flags/sources.js';
import { flagTable } from './flags/table.js';
import { FileUrlError, UsageError } from './flags/values/values.js';
import { runServer } from './life/lifecycle.js';
import { flagsText, subcommandProblem, usageText, versionText } from './text/usage.js';
import { snapshotCommand } from './tools/snapshot.js';

function failUsage(error: UsageError): never {
  process.stderr.write(`${error.message}\n${usageText}`);
  process.exit(2);
}

/** The log before the flags are known to be right, at its defaults. */
function earlyLogger(): RootLogger {
  return createLogger({ level: 'info', format: 'json', outputs: ['default'] });
}

function failFlags(error: unknown): never {
  if (error instanceof FileUrlError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  const log = earlyLogger();
  if (error instanceof ConflictError) {
    log.fatal(error.message, { 'environment-variable': error.variable });
  } else {
    const title = error instanceof ConfigError ? error.title : 'failed to verify flags';
    const text = error instanceof Error ? error.message : String(error);
    if (title === 'discovery failed') {
      log.fatal(title, { error: text });
    } else {
      log.warn(title, { error: text });
    }
  }
  process.exit(1);
}

async function readFlags(): Promise<Resolved> {
  const refusal = subcommandProblem(process.argv[2] ?? '');
  if (refusal !== null) {
    process.stderr.write(refusal);
    process.exit(1);
  }
  const commandLine = parseCommandLine(process.argv.slice(2), flagTable);
  if (commandLine.helpWanted) {
    process.stderr.write(usageText);
    process.stdout.write(flagsText());
    process.exit(0);
  }
  if (commandLine.given.get('version') === true) {
    process.stdout.write(versionText());
    process.exit(0);
  }
  const [extra] = commandLine.positional;
  if (extra !== undefined) {
    throw new ConfigError(`"${extra}" is not a valid flag`);
  }
  // Most starts have no such file, and need not load what reads YAML.
  const isFromFile = configFileOf(commandLine, process.env) !== '';
  const reader = isFromFile ? await import('./flags/config-file.js') : null;
  return resolveFlags(commandLine, process.env, flagTable, reader?.readConfigFile ?? null);
}

/** Names of flags and variables whose values are secrets. */
const secrets = /^(-*discovery-password=|ETCD_DISCOVERY_PASSWORD$)/i;

function openLog({ flags, notices }: Resolved): RootLogger {
  const level = flags.text('log-level');
  if (!(logLevels as readonly string[]).includes(level)) {
    logNotices(earlyLogger(), flags.fromFile ? [] : notices);
    process.stderr.write(`panic: unrecognized level: "${level}"\n`);
    process.exit(2);
  }
  return createLogger(logOptions(flags, () => loadAddon().sendDatagram));
}

function logNotices(log: RootLogger, notices: readonly Notice[]): void {
  for (const { level, message, fields } of notices) {
    const isSecret = secrets.test(String(fields['variable-name'] ?? ''));
    log[level](message, isSecret ? { ...fields, 'variable-value': '***' } : fields);
  }
}

/** Says which flags were given that have no effect here. */
function logAccepted(log: RootLogger, flags: Flags): void {
  for (const row of flagTable.values()) {
    if (row.use.kind === 'accepted' && flags.given(row.name)) {
      log.info('flag has no effect', { flag: row.name, reason: row.use.why });
    }
  }
}

/** Everything that can be wrong before anything is started. */
async function prepare(): Promise<{ resolved: Resolved; config: ServerConfig; log: RootLogger }> {
  try {
    const resolved = await readFlags();
    validate(resolved.flags);
    const log = openLog(resolved);
    return { resolved, config: buildConfig(resolved.flags, process.env), log };
  } catch (error) {
    if (error instanceof UsageError) {
      failUsage(error);
    }
    failFlags(error);
  }
}

/**
 * How much of a function's bytecode runs until V8 asks whether to optimize it, in bytes; V8's own
 * figure is 132 KiB. JavaScript runs once for a batch here, so that its turns are many times rarer
 * than requests, and would stay slow for as many times longer.
 */
const INTERRUPT_BUDGET = 30_000;

async function main(): Promise<void> {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
  if (process.argv[2] === 'gateway') {
    const { runGateway } = await import('./listen/gateway-command.js');
    await runGateway(process.argv.slice(3), earlyLogger());
    return;
  }
  if (process.argv[2] === 'snapshot') {
    process.exit(await snapshotCommand(process.argv.slice(3)));
  }
  const { resolved, config, log } = await prepare();
  const { flags, notices } = resolved;
  process.on('uncaughtException', (error) => {
    log.fatal('unexpected failure', { error, stack: error.stack });
    process.exit(2);
  });
  const args = process.argv.slice(2);
  const shown = args.map((text, at) => {
    const isValue = /^-*discovery-password$/.test(args[at - 1] ?? '');
    return isValue || secrets.test(text) ? text.replace(/[^=]*$/, '***') : text;
  });
  log.info('Running: ', { args: ['metastore', ...shown] });
  logNotices(log, notices);
  if (!flags.given('data-dir')) {
    log.warn("'data-dir' was empty; using default", { 'data-dir': config.dataDir });
  }
  logAccepted(log, flags);
  await runServer(config, flags, log, flags.text('log-format') === 'console');
}

await main();
