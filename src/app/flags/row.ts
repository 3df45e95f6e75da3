// What the table of flags says of each: its name, the kind of its value, its default, where it
// stands in a configuration file, and what it does here. Made by the builders below.

import { urlsProblem } from './values/urls.js';

/** Kinds of values; `urls` and `list` are comma lists, `duration` is Go's form such as `1m30s`. */
export type FlagKind =
  | 'string'
  | 'bool'
  | 'int'
  | 'uint'
  | 'uint32'
  | 'float'
  | 'duration'
  | 'urls'
  | 'list';

/** Durations are milliseconds; lists are arrays of their parts. */
export type FlagValue = string | boolean | number | readonly string[];

export type FlagUse =
  | { readonly kind: 'effective' }
  /** Taken without effect, for the reason given. */
  | { readonly kind: 'accepted'; readonly why: string }
  /** Not in the help: old names that are still taken and mean nothing. */
  | { readonly kind: 'ignored' };

export interface FlagRow {
  readonly name: string;
  readonly kind: FlagKind;
  /** As it would be written on the command line. */
  readonly defaultText: string;
  readonly use: FlagUse;
  /** Dotted path in a configuration file; null when it cannot be set there. */
  readonly configKey: string | null;
  readonly help: string;
  /** The only values allowed, where there are few. */
  readonly choices: readonly string[] | null;
  /** What is wrong with a text that has the right form otherwise; null when nothing is. */
  readonly check: ((text: string) => string | null) | null;
}

interface Extra {
  readonly check?: (text: string) => string | null;
  readonly configKey?: string | null;
  readonly choices?: readonly string[];
}

function row(
  name: string,
  kind: FlagKind,
  defaultText: string,
  use: FlagUse,
  help: string,
  extra: Extra = {},
): FlagRow {
  const configKey = extra.configKey === undefined ? name : extra.configKey;
  const choices = extra.choices ?? null;
  const check = extra.check ?? (kind === 'urls' ? urlsProblem : null);
  return { name, kind, defaultText, use, help, configKey, choices, check };
}

/** A flag that does what it says. */
export function effective(
  name: string,
  kind: FlagKind,
  defaultText: string,
  help: string,
  extra?: Extra,
): FlagRow {
  return row(name, kind, defaultText, { kind: 'effective' }, help, extra);
}

/** A flag that is taken and has no effect here; `why` says for which reason. */
export function accepted(
  name: string,
  kind: FlagKind,
  defaultText: string,
  why: string,
  extra?: Extra,
): FlagRow {
  return row(name, kind, defaultText, { kind: 'accepted', why }, `accepted: ${why}`, extra);
}

/** An old flag that is taken silently. */
export function ignored(name: string): FlagRow {
  return row(name, 'string', '', { kind: 'ignored' }, '', { configKey: null });
}
