// The `add-nodes` command of the interaction data files: its options, and what a new node starts
// from. Called by the command table only.

import type { Config, Snapshot } from '../../../../src/raft/index.js';
import { emptyConfState, ReadOnlyOption } from '../../../../src/raft/index.js';
import type { Argument } from './data-file.js';
import { booleanOf, DataFileError, idOf, integerOf, singleValue } from './data-file.js';
import type { Harness } from './harness.js';
import { HarnessError, HarnessNode } from './node.js';

interface NodeOptions {
  config: Partial<Config>;
  voters: bigint[];
  learners: bigint[];
  index: number;
}

const booleanOptions: Record<string, keyof Config> = {
  'async-storage-writes': 'asyncStorageWrites',
  prevote: 'preVote',
  checkquorum: 'checkQuorum',
  'disable-conf-change-validation': 'disableConfChangeValidation',
  'step-down-on-removal': 'stepDownOnRemoval',
};

/** The project's own options: settings that the inherited ones leave at their defaults. */
const ownBooleanOptions: Record<string, keyof Config> = {
  'disable-proposal-forwarding': 'disableProposalForwarding',
};

const ownIntegerOptions: Record<string, keyof Config> = {
  'max-size-per-msg': 'maxSizePerMsg',
  'max-uncommitted-size': 'maxUncommittedEntriesSize',
  'inflight-bytes': 'maxInflightBytes',
};

function takeOwnOption(options: NodeOptions, arg: Argument): void {
  const flag = ownBooleanOptions[arg.key];
  const limit = ownIntegerOptions[arg.key];
  if (flag !== undefined) {
    options.config = { ...options.config, [flag]: booleanOf(singleValue(arg)) };
  } else if (limit !== undefined) {
    options.config = { ...options.config, [limit]: integerOf(singleValue(arg)) };
  }
}

function readOnlyOptionOf(text: string): ReadOnlyOption {
  if (text === 'safe') {
    return ReadOnlyOption.Safe;
  }
  if (text === 'lease-based') {
    return ReadOnlyOption.LeaseBased;
  }
  throw new HarnessError(`invalid read-only option "${text}"`);
}

function takeNodeOption(options: NodeOptions, arg: Argument): void {
  const flag = booleanOptions[arg.key];
  if (flag !== undefined) {
    options.config = { ...options.config, [flag]: booleanOf(singleValue(arg)) };
    return;
  }
  switch (arg.key) {
    case 'voters':
      options.voters = arg.values.map(idOf);
      return;
    case 'learners':
      options.learners = arg.values.map(idOf);
      return;
    case 'index':
      options.index = integerOf(singleValue(arg));
      return;
    case 'inflight':
      options.config = { ...options.config, maxInflightMsgs: integerOf(singleValue(arg)) };
      return;
    case 'max-committed-size-per-ready':
      options.config = { ...options.config, maxCommittedSizePerReady: integerOf(singleValue(arg)) };
      return;
    case 'read-only':
      options.config = { ...options.config, readOnlyOption: readOnlyOptionOf(singleValue(arg)) };
      return;
    case 'content':
      throw new DataFileError('content= cannot be read');
    default:
  }
}

function snapshotOf(options: NodeOptions): Snapshot | null {
  const { voters, learners, index } = options;
  if (voters.length === 0 && learners.length === 0 && index === 0) {
    return null;
  }
  if (index <= 1) {
    throw new HarnessError('index must be specified as > 1 due to bootstrap');
  }
  const confState = { ...emptyConfState, voters, learners };
  return { data: null, metadata: { confState, index, term: 1 } };
}

/** Creates nodes with the ids that follow the present ones. */
export function addNodes(harness: Harness, count: number, args: readonly Argument[]): void {
  const options: NodeOptions = { config: {}, voters: [], learners: [], index: 0 };
  for (const arg of args) {
    if (arg.values.length > 0) {
      takeNodeOption(options, arg);
      if (harness.options.extended === true) {
        takeOwnOption(options, arg);
      }
    }
  }
  const snapshot = snapshotOf(options);
  for (let i = 0; i < count; i++) {
    const config = {
      id: BigInt(harness.nodes.length + 1),
      electionTick: 3,
      heartbeatTick: 1,
      maxSizePerMsg: Number.POSITIVE_INFINITY,
      maxInflightMsgs: 2 ** 31 - 1,
      ...options.config,
      logger: harness.output,
      random: harness.options.random,
    };
    harness.nodes.push(new HarnessNode(config, snapshot, harness.output));
  }
}
