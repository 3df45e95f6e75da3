// The commands of the interaction data files: their arguments, their errors and their output.
// `interactionHandler` gives the handler for one file.

import type { ConfChangeSingle, MessageType } from '../../../../src/raft/index.js';
import {
  ConfChangeTransition,
  ConfChangeType,
  messageTypeOf,
  quote,
  stateName,
} from '../../../../src/raft/index.js';
import { addNodes } from './add-nodes.js';
import type { Directive, Handler } from './data-file.js';
import { booleanOf, DataFileError, idOf, integerOf, singleValue } from './data-file.js';
import type { HarnessOptions, Recipient } from './harness.js';
import { Harness } from './harness.js';
import type { HarnessNode } from './node.js';
import { HarnessError } from './node.js';
import { levelNames } from './output.js';

type Command = (harness: Harness, directive: Directive) => void;

const encoder = new TextEncoder();

function bareArgument(directive: Directive, at: number): string {
  const arg = directive.args[at];
  if (arg === undefined || arg.values.length > 0) {
    throw new DataFileError(`${directive.command}: argument ${at + 1} is missing`);
  }
  return arg.key;
}

function nodeAt(harness: Harness, directive: Directive, at: number): HarnessNode {
  return harness.node(idOf(bareArgument(directive, at)));
}

function bareNodes(harness: Harness, directive: Directive): HarnessNode[] {
  return directive.args
    .filter((arg) => arg.values.length === 0)
    .map((arg) => harness.node(idOf(arg.key)));
}

const propose: Command = (harness, directive) => {
  if (directive.args.length !== 2) {
    throw new DataFileError('propose takes a node and one word');
  }
  const data = encoder.encode(bareArgument(directive, 1));
  nodeAt(harness, directive, 0).rawNode.propose([data]);
};

const changeTypes: Record<string, ConfChangeType> = {
  v: ConfChangeType.AddNode,
  l: ConfChangeType.AddLearnerNode,
  r: ConfChangeType.RemoveNode,
  u: ConfChangeType.UpdateNode,
};

function changedId(text: string): bigint {
  const quoted = quote(encoder.encode(text));
  if (!/^\d+$/.test(text)) {
    throw new HarnessError(`strconv.ParseUint: parsing ${quoted}: invalid syntax`);
  }
  if (BigInt(text) >= 2n ** 64n) {
    throw new HarnessError(`strconv.ParseUint: parsing ${quoted}: value out of range`);
  }
  return BigInt(text);
}

/** Such as `v1 l2 r3 u4`. */
export function parseChanges(input: string): ConfChangeSingle[] {
  const text = input.trim();
  if (text === '') {
    return [];
  }
  return text.split(' ').map((token) => {
    if (token.length < 2) {
      throw new HarnessError(`unknown token ${token}`);
    }
    const type = changeTypes[token[0] as string];
    if (type === undefined) {
      throw new HarnessError(`unknown input: ${token}`);
    }
    const number = token.slice(1);
    return { type, nodeId: changedId(number) };
  });
}

const transitions: Record<string, ConfChangeTransition> = {
  auto: ConfChangeTransition.Auto,
  implicit: ConfChangeTransition.JointImplicit,
  explicit: ConfChangeTransition.JointExplicit,
};

const proposeConfChange: Command = (harness, directive) => {
  const { rawNode } = nodeAt(harness, directive, 0);
  let v1 = false;
  let transition: ConfChangeTransition = ConfChangeTransition.Auto;
  for (const arg of directive.args.slice(1)) {
    for (const value of arg.values) {
      if (arg.key === 'v1') {
        v1 = booleanOf(value);
      } else if (arg.key === 'transition') {
        const known = transitions[value];
        if (known === undefined) {
          throw new HarnessError(`unknown transition ${value}`);
        }
        transition = known;
      } else {
        throw new HarnessError(`unknown command ${arg.key}`);
      }
    }
  }
  const changes = parseChanges(directive.input);
  const [change] = changes;
  if (!v1) {
    rawNode.proposeConfChange({ transition, changes, context: null });
  } else if (
    change !== undefined &&
    changes.length === 1 &&
    transition === ConfChangeTransition.Auto
  ) {
    rawNode.proposeConfChange({ id: 0n, ...change, context: null });
  } else {
    throw new HarnessError('v1 conf change can only have one operation and no transition');
  }
};

const deliverMessages: Command = (harness, directive) => {
  const recipients: Recipient[] = [];
  let type: MessageType | null = null;
  for (const arg of directive.args) {
    if (arg.values.length === 0) {
      recipients.push({ id: idOf(arg.key), drop: false });
    }
    for (const value of arg.values) {
      if (arg.key === 'drop') {
        const id = idOf(value);
        if (recipients.some((recipient) => recipient.id === id)) {
          throw new DataFileError(`can't both deliver and drop msgs to ${id}`);
        }
        recipients.push({ id, drop: true });
      } else if (arg.key === 'type') {
        const known = messageTypeOf(value);
        if (known === undefined) {
          throw new DataFileError(`unknown message type ${value}`);
        }
        type = known;
      }
    }
  }
  if (harness.deliver(recipients, type) === 0) {
    harness.output.write('no messages\n');
  }
};

/** `duplicate-msgs` and `reverse-msgs`: recipients, and a type that limits them as elsewhere. */
function disturb(how: 'duplicate' | 'reverse'): Command {
  return (harness, directive) => {
    const typeName = directive.args.find((arg) => arg.key === 'type');
    const type = typeName === undefined ? null : messageTypeOf(singleValue(typeName));
    if (type === undefined) {
      throw new DataFileError(`${directive.command}: unknown message type`);
    }
    const recipients = directive.args.filter((arg) => arg.values.length === 0);
    const counts = recipients.map((arg) => harness.disturb(how, idOf(arg.key), type));
    if (counts.every((count) => count === 0)) {
      harness.output.write('no messages\n');
    }
  };
}

/** A command that does something for each node, with headers where there are several. */
function perNode(what: string, action: (harness: Harness, node: HarnessNode) => void): Command {
  return (harness, directive) => {
    const nodes = bareNodes(harness, directive);
    for (const node of nodes) {
      if (nodes.length > 1) {
        harness.output.write(`> ${harness.idOf(node)} ${what}\n`);
        harness.output.indented(() => action(harness, node));
      } else {
        action(harness, node);
      }
    }
  };
}

function setLevel(harness: Harness, name: string): void {
  if (!harness.output.setLevel(name)) {
    throw new HarnessError(`log levels must be either of [${levelNames.join(' ')}]`);
  }
}

const stabilize: Command = (harness, directive) => {
  const level = harness.output.level;
  for (const arg of directive.args) {
    if (arg.key === 'log-level' && arg.values.length > 0) {
      setLevel(harness, singleValue(arg));
    }
  }
  try {
    const nodes = bareNodes(harness, directive);
    harness.stabilize(nodes.length > 0 ? nodes : harness.nodes);
  } finally {
    harness.output.restoreLevel(level);
  }
};

const compact: Command = (harness, directive) => {
  const node = nodeAt(harness, directive, 0);
  node.storage.compact(integerOf(bareArgument(directive, 1)));
  harness.writeLog(node);
};

const raftState: Command = (harness) => {
  for (const node of harness.nodes) {
    const { id, softState, hardState, config } = node.rawNode.status();
    const voter = config.voters.has(id) ? '(Voter)' : '(Non-Voter)';
    harness.output.write(
      `${id}: ${stateName(softState.raftState)} ${voter} ` +
        `Term:${hardState.term} Lead:${softState.lead}\n`,
    );
  }
};

const status: Command = (harness, directive) => {
  const { progress } = nodeAt(harness, directive, 0).rawNode.status();
  for (const [id, entry] of progress) {
    harness.output.write(`${id}: ${entry}\n`);
  }
};

function ticks(name: 'electionTick' | 'heartbeatTick'): Command {
  return (harness, directive) => {
    const { rawNode } = nodeAt(harness, directive, 0);
    for (let i = 0; i < rawNode.raft.config[name]; i++) {
      rawNode.tick();
    }
  };
}

function namedValue(directive: Directive, key: string): string {
  const arg = directive.args.find((candidate) => candidate.key === key);
  if (arg === undefined) {
    throw new DataFileError(`${directive.command}: ${key}= is missing`);
  }
  return singleValue(arg);
}

const setTimeoutCommand: Command = (harness, directive) => {
  const { rawNode } = nodeAt(harness, directive, 0);
  const timeout = integerOf(namedValue(directive, 'timeout'));
  if (timeout === 0) {
    throw new DataFileError('the timeout must not be 0');
  }
  rawNode.raft.randomizedElectionTimeout = timeout;
};

const transferLeadership: Command = (harness, directive) => {
  const from = idOf(namedValue(directive, 'from'));
  const to = idOf(namedValue(directive, 'to'));
  harness.node(to);
  harness.node(from).rawNode.transferLeader(to);
};

const reportUnreachable: Command = (harness, directive) => {
  if (directive.args.length !== 2) {
    throw new HarnessError(
      'must specify exactly two node indexes: node on which to report, and reported node',
    );
  }
  const peer = idOf(bareArgument(directive, 1));
  harness.node(peer);
  nodeAt(harness, directive, 0).rawNode.reportUnreachable(peer);
};

const readIndex: Command = (harness, directive) => {
  const context = encoder.encode(bareArgument(directive, 1));
  nodeAt(harness, directive, 0).rawNode.readIndex(context);
};

const reportSnapshot: Command = (harness, directive) => {
  const peer = idOf(bareArgument(directive, 1));
  const ok = booleanOf(namedValue(directive, 'ok'));
  nodeAt(harness, directive, 0).rawNode.reportSnapshot(peer, ok);
};

const commands: Record<string, Command> = {
  _breakpoint: () => {},
  'add-nodes': (harness, directive) =>
    addNodes(harness, integerOf(bareArgument(directive, 0)), directive.args.slice(1)),
  campaign: (harness, directive) => nodeAt(harness, directive, 0).rawNode.campaign(),
  compact,
  'deliver-msgs': deliverMessages,
  'forget-leader': (harness, directive) => nodeAt(harness, directive, 0).rawNode.forgetLeader(),
  'log-level': (harness, directive) => setLevel(harness, bareArgument(directive, 0)),
  'process-append-thread': perNode('processing append thread', (h, node) => h.processAppend(node)),
  'process-apply-thread': perNode('processing apply thread', (h, node) => h.processApply(node)),
  'process-ready': perNode('handling Ready', (h, node) => h.processReady(node)),
  propose,
  'propose-conf-change': proposeConfChange,
  'raft-log': (harness, directive) => harness.writeLog(nodeAt(harness, directive, 0)),
  'raft-state': raftState,
  'report-unreachable': reportUnreachable,
  'send-snapshot': (harness, directive) =>
    harness.sendSnapshot(idOf(bareArgument(directive, 0)), idOf(bareArgument(directive, 1))),
  'set-randomized-election-timeout': setTimeoutCommand,
  stabilize,
  status,
  'tick-election': ticks('electionTick'),
  'tick-heartbeat': ticks('heartbeatTick'),
  'transfer-leadership': transferLeadership,
};

/** The project's own commands, where the inherited ones have no words. */
const ownCommands: Record<string, Command> = {
  'duplicate-msgs': disturb('duplicate'),
  'read-index': readIndex,
  'report-snapshot': reportSnapshot,
  'reverse-msgs': disturb('reverse'),
};

/** Errors that are a command's output, as opposed to those that abort the file. */
function isReported(error: unknown): error is Error {
  return (
    error instanceof Error && ['HarnessError', 'RaftError', 'RaftStorageError'].includes(error.name)
  );
}

/** The handler for one interaction file. */
export function interactionHandler(options: HarnessOptions): Handler {
  const harness = new Harness(options);
  const known = options.extended === true ? { ...commands, ...ownCommands } : commands;
  return (directive) => {
    const command = known[directive.command];
    let failure = '';
    try {
      if (command === undefined) {
        throw new HarnessError('unknown command');
      }
      command(harness, directive);
    } catch (error) {
      if (!isReported(error)) {
        throw error;
      }
      failure = error.message;
    }
    const text = harness.output.take() + failure;
    return text === '' ? 'ok' : text;
  };
}
