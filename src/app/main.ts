// The program: command line in, exit status out. Started by scripts/metastore; everything that can
// be tested without a process of its own lies in the modules called here.

import { createLogger, type LogLevel, logLevels, type RootLogger } from '../base/log/logger.js';
import { buildConfig, type ServerConfig } from './config/config.js';
import { ConfigError, validate } from './config/validate.js';
import { parseCommandLine } from './flags/parser.js';
import { ConflictError, type Flags, type Resolved, resolveFlags } from './flags/sources.js';
import { flagTable } from './flags/table.js';
import { UsageError } from './flags/values/values.js';
import { runServer } from './lifecycle.js';
import { flagsText, usageText, versionText } from './text/usage.js';

function failUsage(error: UsageError): never {
  process.stderr.write(`${error.message}\n${usageText}`);
  process.exit(2);
}

/** The log before the flags are known to be right, at its defaults. */
function earlyLogger(): RootLogger {
  return createLogger({ level: 'info', format: 'json', outputs: ['default'] });
}

function failFlags(error: unknown): never {
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

function readFlags(): Resolved {
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
  return resolveFlags(commandLine, process.env, flagTable);
}

function openLog(flags: Flags): RootLogger {
  const level = flags.text('log-level');
  if (!(logLevels as readonly string[]).includes(level)) {
    process.stderr.write(`panic: unrecognized level: "${level}"\n`);
    process.exit(2);
  }
  return createLogger({
    level: level as LogLevel,
    format: flags.text('log-format') as 'json' | 'console',
    outputs: flags.list('log-outputs'),
  });
}

/** Says which flags were given that have no effect here. */
function logAccepted(log: RootLogger, flags: Flags): void {
  for (const row of flagTable.values()) {
    if (row.use.kind === 'accepted' && flags.given(row.name)) {
      log.debug('flag has no effect', { flag: row.name, reason: row.use.why });
    }
  }
}

async function main(): Promise<void> {
  let resolved: Resolved;
  let config: ServerConfig;
  try {
    resolved = readFlags();
    validate(resolved.flags, flagTable);
    config = buildConfig(resolved.flags, process.env);
  } catch (error) {
    if (error instanceof UsageError) {
      failUsage(error);
    }
    failFlags(error);
  }
  const { flags, notices } = resolved;
  const log = openLog(flags);
  process.on('uncaughtException', (error) => {
    log.fatal('unexpected failure', { error, stack: error.stack });
    process.exit(2);
  });
  log.info('Running: ', { args: ['metastore', ...process.argv.slice(2)] });
  for (const { level, message, fields } of notices) {
    log[level](message, fields);
  }
  if (!flags.given('data-dir')) {
    log.warn("'data-dir' was empty; using default", { 'data-dir': config.dataDir });
  }
  logAccepted(log, flags);
  await runServer(config, log, flags.text('log-format') === 'console');
}

await main();
