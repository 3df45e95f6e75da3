// The log as the flags want it. Called by main once the flags are known, and by the validation, for
// what is wrong with them.

import type { LogLevel, LogOptions } from '../../base/log/logger.js';
import { noRotationLimits, type RotationOptions } from '../../base/log/rotation.js';
import { isFile, JOURNAL, type SendDatagram } from '../../base/log/sinks.js';
import { jsonType } from '../flags/file-types.js';
import type { Flags } from '../flags/sources.js';

/** What is wrong with a text that is no JSON. */
function syntaxProblem(text: string): string {
  const rest = text.trimStart();
  if (rest === '') {
    return 'unexpected end of JSON input';
  }
  if (!/^(?:[{["\d-]|true|false|null)/.test(rest)) {
    return `invalid character '${rest[0]}' looking for beginning of value`;
  }
  const whole = /^\{[^{}]*\}\s*(\S)/.exec(rest);
  return whole === null
    ? 'unexpected end of JSON input'
    : `invalid character '${whole[1]}' after top-level value`;
}

/**
 * The settings of `--log-rotation-config-json`; unknown ones are left alone.
 *
 * @throws Error that says what is wrong
 */
export function parseRotation(text: string): RotationOptions {
  let found: unknown;
  try {
    found = JSON.parse(text) as unknown;
  } catch {
    throw new Error(`improperly formatted log rotation config: ${syntaxProblem(text)}`);
  }
  const problem = 'invalid log rotation config: json: cannot unmarshal';
  if (found === null || jsonType(found) !== 'object') {
    const kind = found === null ? 'null' : jsonType(found);
    throw new Error(`${problem} ${kind} into Go value of type embed.logRotationConfig`);
  }
  const options: Record<string, number | boolean> = { ...noRotationLimits };
  for (const [given, value] of Object.entries(found as Record<string, unknown>)) {
    const key = given.toLowerCase();
    const wanted = typeof options[key];
    if (wanted === 'undefined' || value === null) {
      continue;
    }
    const isWhole = wanted === 'boolean' || Number.isInteger(value);
    if (typeof value !== wanted || !isWhole) {
      const kind =
        typeof value === 'number' && wanted === 'number' ? `number ${value}` : jsonType(value);
      const type = wanted === 'number' ? 'int' : 'bool';
      throw new Error(
        `${problem} ${kind} into Go struct field logRotationConfig.Logger.${key} of type ${type}`,
      );
    }
    options[key] = wanted === 'number' ? Math.max(0, value as number) : (value as boolean);
  }
  return options as unknown as RotationOptions;
}

function outputsProblem(flags: Flags): string | null {
  const outputs = flags.list('log-outputs');
  if (outputs.length > 1 && outputs.includes('default')) {
    return 'multi logoutput for "default" is not supported yet';
  }
  if (flags.bool('enable-log-rotation')) {
    const files = outputs.filter((output) => isFile(output) || output === '/dev/null');
    if (files.length !== 1) {
      return '--log-outputs requires a single file path when --log-rotate-config-json is defined';
    }
    try {
      parseRotation(flags.text('log-rotation-config-json'));
    } catch (error) {
      return (error as Error).message;
    }
  }
  if (outputs.length > 1 && outputs.includes(JOURNAL)) {
    const shown = [...outputs].sort().map((output) => JSON.stringify(output));
    return (
      `running with systemd/journal but other '--log-outputs' values ([${shown.join(' ')}]) are ` +
      "configured with 'default'; override 'default' value with something else"
    );
  }
  return null;
}

/** What is wrong with the flags about the log, or null. The level is checked when it is opened. */
export function logProblem(flags: Flags): string | null {
  const logger = flags.text('logger');
  if (logger === 'capnslog') {
    return '--logger=capnslog is removed in v3.5';
  }
  if (logger !== 'zap') {
    return `unknown logger option "${logger}"`;
  }
  const format = flags.text('log-format');
  if (format !== 'json' && format !== 'console') {
    return `unknown log format: ${format}, supported values json, console`;
  }
  return outputsProblem(flags);
}

/** @param sendDatagram loads what reaches the journal, which few logs want */
export function logOptions(flags: Flags, sendDatagram: () => SendDatagram): LogOptions {
  const outputs = flags.list('log-outputs');
  const rotation = flags.bool('enable-log-rotation')
    ? parseRotation(flags.text('log-rotation-config-json'))
    : null;
  return {
    level: flags.text('log-level') as LogLevel,
    format: flags.text('log-format') as 'json' | 'console',
    // A list with nothing in it is one name, the empty one; in a file it means the standard one.
    outputs: outputs.length > 0 ? outputs : flags.fromFile ? ['default'] : [''],
    rotation,
    ...(outputs.includes(JOURNAL) ? { sendDatagram: sendDatagram() } : {}),
  };
}
