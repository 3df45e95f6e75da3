// What goes wrong in a simulated cluster, and when: phases of calm, of bad network, of cut links,
// of slow disks and of stopped processes follow each other; in each of them members crash and come
// back, leadership is handed over and the membership changes, all by the seed.

import { type Conditions, calmConditions } from '../net/network.js';
import { Changes } from './changes.js';
import type { Cluster } from './cluster.js';
import type { SimNode } from './node.js';

export interface Profile {
  readonly name: string;
  /** Members that may be down at once; more than a minority tries durability alone. */
  readonly downMax: number;
  /** Milliseconds between two misfortunes, on average. */
  readonly intervalMs: number;
  /** Share of phases without disturbance of network, disks and processes. */
  readonly calm: number;
  readonly membershipChanges: boolean;
}

const badConditions: readonly Conditions[] = [
  { delay: [0.2, 5], loss: 0.05, repetition: 0.05, reordering: 0.1 },
  { delay: [1, 60], loss: 0.1, repetition: 0.1, reordering: 0.3 },
  { delay: [0.2, 10], loss: 0.4, repetition: 0.02, reordering: 0.05 },
  { delay: [50, 300], loss: 0.01, repetition: 0.2, reordering: 0.5 },
];

export class Chaos {
  readonly #cluster: Cluster;
  readonly #profile: Profile;
  readonly #changes: Changes;
  #running = true;
  // Since when nothing has disturbed network, disks and processes; null while something does.
  #calmSinceMs: number | null = 0;
  readonly counts = { crashes: 0, cuts: 0, pauses: 0, transfers: 0, changes: 0 };

  constructor(cluster: Cluster, profile: Profile) {
    this.#cluster = cluster;
    this.#profile = profile;
    this.#changes = new Changes(cluster);
    this.#nextPhase();
    this.#nextMisfortune();
  }

  get calmSinceMs(): number | null {
    return this.#calmSinceMs;
  }

  /** Ends all disturbance. */
  heal(): void {
    this.#running = false;
    this.#calm();
    this.startAll();
  }

  /** Starts what is down, and what has been added to the cluster without anybody hearing of it. */
  startAll(): void {
    this.#changes.startAdded();
    for (const node of this.#cluster.nodes) {
      if (node.process === null && !node.gone) {
        node.start();
      }
    }
  }

  #nextPhase(): void {
    const { scheduler, random } = this.#cluster;
    if (!this.#running) {
      return;
    }
    this.#calm();
    if (!random.chance(this.#profile.calm)) {
      this.#disturb();
    }
    scheduler.after(random.range(300, 3000), null, () => this.#nextPhase());
  }

  #calm(): void {
    const { network, nodes, scheduler, options } = this.#cluster;
    network.conditions = calmConditions;
    network.heal();
    for (const node of nodes) {
      Object.assign(node.store.pace, options.pace);
      node.resume();
    }
    this.#calmSinceMs ??= scheduler.nowMs;
  }

  #disturb(): void {
    const { random, network, nodes } = this.#cluster;
    this.#calmSinceMs = null;
    const kind = random.below(6);
    if (kind === 0) {
      network.conditions = random.pick(badConditions);
    } else if (kind === 1) {
      this.#partition();
    } else if (kind === 2) {
      this.#cutSome();
    } else if (kind === 3) {
      const slow = random.pick(nodes).store.pace;
      slow.sync = [5, random.between(10, 400)];
      slow.apply = [1, random.between(2, 100)];
    } else if (kind === 4) {
      this.#pauseSome();
    } else {
      this.#isolateLeader();
    }
    if (kind !== 0 && random.chance(0.3)) {
      network.conditions = random.pick(badConditions);
    }
  }

  /** Two halves, or one member and the others. */
  #partition(): void {
    const { random, network, nodes } = this.#cluster;
    const alone = random.chance(0.5) ? random.pick(nodes) : null;
    const side = new Set(nodes.filter((node) => (alone ? node === alone : random.chance(0.5))));
    const oneWay = random.chance(0.3);
    this.counts.cuts++;
    for (const a of nodes) {
      for (const b of nodes) {
        if (side.has(a) && !side.has(b)) {
          network.cut(a.id, b.id);
          if (!oneWay) {
            network.cut(b.id, a.id);
          }
        }
      }
    }
  }

  #cutSome(): void {
    const { random, network, nodes } = this.#cluster;
    this.counts.cuts++;
    for (let i = random.between(1, 3); i > 0; i--) {
      network.cut(random.pick(nodes).id, random.pick(nodes).id);
    }
  }

  #pauseSome(): void {
    const { random, nodes, leader } = this.#cluster;
    const node = random.chance(0.5) ? leader : random.pick(nodes);
    this.counts.pauses++;
    node?.pause();
  }

  /** The leader stops, and when it goes on nobody can tell it that there is another one. */
  #isolateLeader(): void {
    const { random, network, nodes, leader, scheduler } = this.#cluster;
    if (leader === null) {
      return;
    }
    this.counts.cuts++;
    for (const { id } of nodes) {
      network.cut(leader.id, id);
      network.cut(id, leader.id);
    }
    if (random.chance(0.7)) {
      leader.pause();
      scheduler.after(random.range(500, 2500), null, () => leader.resume());
    }
  }

  #nextMisfortune(): void {
    const { scheduler, random } = this.#cluster;
    const { intervalMs } = this.#profile;
    scheduler.after(random.range(0, 2 * intervalMs), null, () => {
      if (this.#running) {
        this.#misfortune();
        this.#nextMisfortune();
      }
    });
  }

  #misfortune(): void {
    const { random, leader } = this.#cluster;
    const kind = random.below(10);
    if (kind < 2) {
      this.#crash(leader);
    } else if (kind < 6) {
      this.#crash(random.pick(this.#cluster.nodes));
    } else if (kind < 7) {
      random.pick(this.#cluster.nodes).failDisk();
    } else if (kind < 8) {
      this.#transfer();
    } else if (this.#profile.membershipChanges) {
      this.counts.changes++;
      this.#changes.change();
    } else {
      this.#transfer();
    }
  }

  #crash(node: SimNode | null): void {
    const { nodes } = this.#cluster;
    const down = nodes.filter(({ process, gone }) => process === null && !gone).length;
    if (node === null || node.process === null || down >= this.#profile.downMax) {
      return;
    }
    // Counted, and started again, by processEnded.
    this.#cluster.crash(node);
  }

  /** A member's process has ended: somebody starts it again. */
  processEnded(node: SimNode): void {
    const { scheduler, random } = this.#cluster;
    this.counts.crashes++;
    scheduler.after(random.range(1, 2500), null, () => {
      if (node.process === null && !node.gone) {
        node.start();
      }
    });
  }

  #transfer(): void {
    const { random, leader, nodes } = this.#cluster;
    this.counts.transfers++;
    const to = random.pick(nodes).id;
    (random.chance(0.7)
      ? leader?.member?.transferLeadership(to)
      : leader?.member?.handOver()
    )?.catch(() => undefined);
  }
}
