// Changes of the membership of a simulated cluster: learners and voters are added and their
// processes started, learners promoted, members removed. Asked of any member, by the seed.

import { bytesOf } from '../../../../src/base/bytes.js';
import { bootstrapMemberId } from '../../../../src/cluster/ids.js';
import {
  encodeChangeContext,
  type MemberContext,
} from '../../../../src/cluster/members/member-json.js';
import type { MemberInfo } from '../../../../src/cluster/membership.js';
import { ConfChangeType } from '../../../../src/raft/index.js';
import type { Cluster } from './cluster.js';
import type { SimNode } from './node.js';

/** Members that a cluster has at most, and that it ever has. */
const MEMBERS_MAX = 5;
const NODES_MAX = 9;
const LEARNERS_MAX = 2;

export class Changes {
  readonly #cluster: Cluster;
  // Members that were to be added, and have no process yet.
  readonly #added = new Set<bigint>();
  #additions = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Asks a member for some change. */
  change(): void {
    const { random, leader, nodes } = this.#cluster;
    const asked = random.chance(0.7) ? leader : random.pick(nodes);
    const members = asked?.member?.membership.list() ?? [];
    if (asked === null || members.length === 0) {
      return;
    }
    const learner = members.find(({ isLearner }) => isLearner);
    const kind = random.below(4);
    if (learner !== undefined && kind < 2) {
      const { id, peerUrls } = learner;
      this.#propose(asked, ConfChangeType.AddNode, id, { isPromote: true, peerUrls });
    } else if (members.length >= MEMBERS_MAX || (kind === 3 && members.length > this.#least)) {
      this.#propose(asked, ConfChangeType.RemoveNode, random.pick(members).id, {});
    } else if (nodes.length + this.#added.size < NODES_MAX) {
      this.#add(asked, random.chance(0.6));
    }
  }

  /** Members that are left in any case: a cluster that began with one may come back to that. */
  get #least(): number {
    return Math.min(2, this.#cluster.options.members);
  }

  /** Starts whatever has been added without anybody hearing of it. */
  startAdded(): void {
    for (const { member } of [...this.#cluster.nodes]) {
      this.#start(member?.membership.list() ?? []);
    }
  }

  #add(asked: SimNode, isLearner: boolean): void {
    const peerUrls = [`http://added${++this.#additions}:2380`];
    const id = bootstrapMemberId(peerUrls, 'added');
    this.#added.add(id);
    const type = isLearner ? ConfChangeType.AddLearnerNode : ConfChangeType.AddNode;
    this.#propose(asked, type, id, { peerUrls, isLearner, maxLearners: LEARNERS_MAX });
  }

  #propose(
    { member }: SimNode,
    type: ConfChangeType,
    nodeId: bigint,
    context: Partial<MemberContext>,
  ): void {
    if (member === null) {
      return;
    }
    const isRemoval = type === ConfChangeType.RemoveNode;
    const change = {
      id: member.nextId(),
      type,
      nodeId,
      context: isRemoval ? null : bytesOf(encodeChangeContext(nodeId, context)),
    };
    member.proposeConfChange(change).then(
      (members) => this.#start(members),
      // Refused at its place in the log, or nobody knows: heal() looks again.
      () => undefined,
    );
  }

  #start(members: readonly MemberInfo[]): void {
    for (const { id } of members) {
      if (this.#added.delete(id)) {
        this.#cluster.join(id, members).start();
      }
    }
  }
}
