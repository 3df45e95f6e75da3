// Handlers for the data files about the pure rules: quorum arithmetic and membership changes.
// Each file gets a fresh handler.

import type { ChangeResult } from '../../../../src/raft/confchange/changer.js';
import {
  ConfChangeError,
  enterJoint,
  leaveJoint,
  simpleChange,
} from '../../../../src/raft/confchange/changer.js';
import { JointConfig } from '../../../../src/raft/quorum/joint.js';
import { MajorityConfig, VoteResult } from '../../../../src/raft/quorum/majority.js';
import { ascending, configText, emptyTrackerConfig } from '../../../../src/raft/tracker/config.js';
import { Inflights } from '../../../../src/raft/tracker/inflights.js';
import { parseChanges } from './commands.js';
import type { Directive, Handler } from './data-file.js';
import { booleanOf, DataFileError, idOf, integerOf, singleValue } from './data-file.js';
import { HarnessError } from './node.js';

type Values = ReadonlyMap<bigint, number>;

function describeQuorum(ids: readonly bigint[], known: Values): string {
  if (ids.length === 0) {
    return '<empty majority quorum>';
  }
  const n = ids.length;
  const indexOf = (id: bigint): number => known.get(id) ?? 0;
  let text = `${' '.repeat(n)}    idx\n`;
  for (const id of ids) {
    const bar = ids.filter((other) => indexOf(other) < indexOf(id)).length;
    text += known.has(id) ? `${'x'.repeat(bar)}>${' '.repeat(n - bar)}` : `?${' '.repeat(n)}`;
    text += ` ${String(indexOf(id)).padStart(5)}    (id=${id.toString(16)})\n`;
  }
  return text;
}

/** The definition itself: the largest index that a majority has reached. */
function slowCommittedIndex(ids: readonly bigint[], known: Values): number {
  const reached = ids.map((id) => known.get(id) ?? 0);
  const quorum = Math.floor(ids.length / 2) + 1;
  const candidates = reached.filter((i) => reached.filter((j) => j >= i).length >= quorum);
  return ids.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, ...candidates);
}

interface QuorumInput {
  readonly incoming: MajorityConfig;
  readonly outgoing: MajorityConfig;
  readonly joint: boolean;
  readonly values: ReadonlyMap<bigint, string>;
}

function parseQuorumInput(directive: Directive): QuorumInput | string {
  let incoming: bigint[] = [];
  let outgoing: bigint[] = [];
  let joint = false;
  let given: readonly string[] = [];
  for (const arg of directive.args) {
    if (arg.key === 'cfg') {
      incoming = arg.values.map(idOf);
    } else if (arg.key === 'cfgj') {
      joint = true;
      outgoing = arg.values[0] === 'zero' ? [] : arg.values.map(idOf);
    } else if (arg.key === 'idx' || arg.key === 'votes') {
      given = arg.values;
    } else {
      throw new DataFileError(`unknown argument ${arg.key}`);
    }
  }
  const distinct = [...new Set([...incoming, ...outgoing])];
  if (given.length !== distinct.length) {
    const codes: Record<string, string> = { _: '0', n: '1', y: '2' };
    const ids = ascending(distinct).map((id) => `${id}:{}`);
    const values = given.map((value) => codes[value] ?? value);
    return (
      'error: mismatched input (explicit or _) for voters ' +
      `map[${ids.join(' ')}]: [${values.join(' ')}]`
    );
  }
  const values = new Map(distinct.map((id, i) => [id, given[i] as string]));
  return {
    incoming: new MajorityConfig(incoming),
    outgoing: new MajorityConfig(outgoing),
    joint,
    values,
  };
}

function committedCommand({ incoming, outgoing, joint, values }: QuorumInput): string {
  const known = new Map<bigint, number>();
  for (const [id, value] of values) {
    if (value !== '_') {
      known.set(id, integerOf(value));
    }
  }
  const acked = (id: bigint): number | undefined => known.get(id);
  const config = new JointConfig(incoming, joint ? outgoing : undefined);
  const result = config.committedIndex(acked);
  let text = describeQuorum(config.ids, known);
  const check = (name: string, other: number): void => {
    if (other !== result) {
      text += `${other} <-- via ${name}\n`;
    }
  };
  const slow = [incoming, outgoing].map((half) => slowCommittedIndex(half.ids, known));
  check('alternative computation', Math.min(...slow));
  check('swapped halves', new JointConfig(outgoing, incoming).committedIndex(acked));
  if (!joint) {
    check('majority', incoming.committedIndex(acked));
    check('self-joint', new JointConfig(incoming, incoming).committedIndex(acked));
  }
  for (const [id, value] of known) {
    // Lowering an index that is below the result changes nothing.
    if (value < result && value > 0) {
      for (const lower of [value - 1, 0]) {
        const overlaid = config.committedIndex((other) => (other === id ? lower : acked(other)));
        if (overlaid !== result) {
          text += `${overlaid} <-- overlaying ${id}->${lower}\n`;
        }
      }
    }
  }
  return `${text}${result === Number.POSITIVE_INFINITY ? '∞' : result}\n`;
}

const resultNames: Record<VoteResult, string> = {
  [VoteResult.Pending]: 'VotePending',
  [VoteResult.Lost]: 'VoteLost',
  [VoteResult.Won]: 'VoteWon',
};

function voteCommand({ incoming, outgoing, joint, values }: QuorumInput): string {
  const votes = new Map<bigint, boolean>();
  for (const [id, value] of values) {
    if (value === 'y' || value === 'n') {
      votes.set(id, value === 'y');
    } else if (value !== '_') {
      throw new DataFileError(`not a vote: ${value}`);
    }
  }
  const result = new JointConfig(incoming, joint ? outgoing : undefined).voteResult(votes);
  const swapped = new JointConfig(outgoing, incoming).voteResult(votes);
  const note = swapped === result ? '' : `${resultNames[swapped]} <-- via swapped halves\n`;
  return `${note}${resultNames[result]}`;
}

export function quorumHandler(): Handler {
  return (directive) => {
    const input = parseQuorumInput(directive);
    if (typeof input === 'string') {
      return input;
    }
    switch (directive.command) {
      case 'committed':
        return committedCommand(input);
      case 'vote':
        return voteCommand(input);
      default:
        throw new DataFileError(`unknown command ${directive.command}`);
    }
  };
}

function changedBy(directive: Directive, base: Parameters<typeof simpleChange>[0]): ChangeResult {
  const changes = parseChanges(directive.input);
  switch (directive.command) {
    case 'simple':
      return simpleChange(base, changes);
    case 'enter-joint': {
      const arg = directive.args.find((candidate) => candidate.key === 'autoleave');
      return enterJoint(base, arg !== undefined && booleanOf(singleValue(arg)), changes);
    }
    case 'leave-joint':
      if (changes.length > 0) {
        throw new HarnessError('this command takes no input');
      }
      return leaveJoint(base);
    default:
      throw new HarnessError('unknown command');
  }
}

export function confChangeHandler(): Handler {
  let state: ChangeResult = { config: emptyTrackerConfig, progress: new Map() };
  let lastIndex = 0;
  return (directive) => {
    try {
      const newInflights = (): Inflights => new Inflights(10, Number.POSITIVE_INFINITY);
      state = changedBy(directive, { ...state, lastIndex, newInflights });
    } catch (error) {
      if (error instanceof HarnessError) {
        return error.message;
      }
      if (error instanceof ConfChangeError) {
        return `${error.message}\n`;
      }
      throw error;
    } finally {
      lastIndex++;
    }
    const ids = ascending(state.progress.keys());
    const lines = ids.map((id) => `${id}: ${state.progress.get(id)}\n`);
    return `${configText(state.config)}\n${lines.join('')}`;
  };
}
