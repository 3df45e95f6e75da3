// Feature gates: what `--feature-gates=A=true,B=false` may name, and which of them are on.
// Asked by the flags (is the text right) and by the configuration (what is on).

import type { Feature } from '../../api/metrics/member.js';
import { parseBool } from './values/values.js';

type Stage = 'alpha' | 'beta';

interface Gate {
  readonly stage: Stage;
  readonly default: boolean;
}

// Taken without effect: what LeaseCheckpoint replicates is always kept over a restart; the library
// that carries messages between members chooses the address that it dials from; and there is no
// read buffer to share.
const gates: ReadonlyMap<string, Gate> = new Map([
  ['StopGRPCServiceOnDefrag', { stage: 'alpha', default: false }],
  ['InitialCorruptCheck', { stage: 'alpha', default: false }],
  ['CompactHashCheck', { stage: 'alpha', default: false }],
  ['LeaseCheckpoint', { stage: 'alpha', default: false }],
  ['LeaseCheckpointPersist', { stage: 'alpha', default: false }],
  ['SetMemberLocalAddr', { stage: 'alpha', default: false }],
  ['PriorityRequest', { stage: 'alpha', default: false }],
  ['TxnModeWriteWithSharedBuffer', { stage: 'beta', default: true }],
  ['FastLeaseKeepAlive', { stage: 'beta', default: true }],
]);

const wholeStages: ReadonlyMap<string, Stage> = new Map([
  ['AllAlpha', 'alpha'],
  ['AllBeta', 'beta'],
]);

function pairs(text: string): (readonly [string, string])[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [name = '', value = ''] = part.split('=', 2);
      return [name.trim(), value.trim()] as const;
    });
}

function notBoolean(value: string): string {
  return `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
}

/** What is wrong with the flag's text, or null. */
export function featureGatesProblem(text: string): string | null {
  for (const part of text.split(',').filter((piece) => piece.trim() !== '')) {
    const [name = '', value] = part.split('=', 2).map((piece) => piece.trim());
    if (value === undefined) {
      return `missing bool value for ${name}`;
    }
    if (parseBool(value) === null) {
      return `invalid value of ${name}=${value}, err: ${notBoolean(value)}`;
    }
  }
  const unknown = pairs(text).find(([name]) => !gates.has(name) && !wholeStages.has(name));
  return unknown === undefined ? null : `unrecognized feature gate: ${unknown[0]}`;
}

/** What was asked for by name or by stage, as `A=true,B=false` in order. */
export function featureGatesText(text: string): string {
  const chosen = new Map(pairs(text).map(([name, value]) => [name, parseBool(value) === true]));
  for (const [whole, stage] of wholeStages) {
    const isOn = chosen.get(whole);
    for (const [name, gate] of gates) {
      if (isOn !== undefined && gate.stage === stage && !chosen.has(name)) {
        chosen.set(name, isOn);
      }
    }
  }
  return [...chosen]
    .map(([name, isOn]) => `${name}=${isOn}`)
    .sort()
    .join(',');
}

/** The names of all gates that are on. */
export function enabledGates(text: string): ReadonlySet<string> {
  const chosen = new Map(pairs(text).map(([name, value]) => [name, parseBool(value) === true]));
  const enabled = new Set<string>();
  for (const [name, gate] of gates) {
    const ofStage = [...wholeStages].find(([, stage]) => stage === gate.stage)?.[0] ?? '';
    if (chosen.get(name) ?? chosen.get(ofStage) ?? gate.default) {
      enabled.add(name);
    }
  }
  return enabled;
}

/** Every gate and every stage as a whole, with what is on, for the metrics. */
export function features(text: string): Feature[] {
  const enabled = enabledGates(text);
  const chosen = new Map(pairs(text).map(([name, value]) => [name, parseBool(value) === true]));
  const stageOf = (stage: Stage) => (stage === 'alpha' ? 'ALPHA' : 'BETA');
  return [
    ...[...gates].map(([name, { stage }]) => ({
      name,
      stage: stageOf(stage),
      enabled: enabled.has(name),
    })),
    ...[...wholeStages].map(([name, stage]) => ({
      name,
      stage: stageOf(stage),
      enabled: chosen.get(name) ?? false,
    })),
  ] as Feature[];
}
