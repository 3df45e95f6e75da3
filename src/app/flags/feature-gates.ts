// Feature gates: what `--feature-gates=A=true,B=false` may name, and which of them are on.
// Asked by the flags (is the text right) and by the configuration (what is on).

import type { Feature } from '../../api/metrics/member.js';

type Stage = 'alpha' | 'beta';

interface Gate {
  readonly stage: Stage;
  readonly default: boolean;
}

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

/** What is wrong with the flag's text, or null. */
export function featureGatesProblem(text: string): string | null {
  for (const [name, value] of pairs(text)) {
    if (!gates.has(name) && !wholeStages.has(name)) {
      return `unrecognized feature gate: ${name}`;
    }
    if (!/^(true|false|1|0|t|f)$/i.test(value)) {
      return value === ''
        ? `missing bool value for feature gate: ${name}`
        : `invalid value of ${name}: ${value}`;
    }
  }
  return null;
}

/** The names of all gates that are on. */
export function enabledGates(text: string): ReadonlySet<string> {
  const chosen = new Map(pairs(text).map(([name, value]) => [name, /^(true|1|t)$/i.test(value)]));
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
  const chosen = new Map(pairs(text).map(([name, value]) => [name, /^(true|1|t)$/i.test(value)]));
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
