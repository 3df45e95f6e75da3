// Clusters of real processes on 127.0.0.1 for fault and integration tests: started together, each
// link between two members optionally through a proxy that can cut, delay or slow it one way.
// Whatever is still running when the test process ends is killed then.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { StatusResponse } from '../../../src/base/proto/messages.js';
import { freePorts } from '../ports.js';
import { tempDir } from '../temp-dir.js';
import { sleep, waitFor } from '../wait.js';
import { ClusterMember, type Engine, type Program, program } from './member.js';
import { memberAdd, memberRemove } from './membership-calls.js';
import { canFindDialler, diallerOf } from './proxy/dialler.js';
import { Links } from './proxy/links.js';
import { outsider, PeerProxy } from './proxy/peer-proxy.js';

export interface ClusterOptions {
  readonly size: number;
  /** Of the members in turn; one name makes them all alike. */
  readonly engines: readonly Engine[];
  /** Whether the members' links can be cut and slowed. */
  readonly isProxied?: boolean;
  readonly flags?: readonly string[];
  readonly heartbeatMs?: number;
  readonly electionMs?: number;
  readonly program?: Program;
}

/** What a member says of itself and of who leads. */
export interface MemberStatus {
  readonly member: ClusterMember;
  readonly status: StatusResponse;
}

export class Cluster {
  readonly members: ClusterMember[] = [];
  readonly links = new Links();
  readonly electionMs: number;
  readonly heartbeatMs: number;
  readonly #options: ClusterOptions;
  readonly #folder = tempDir('cluster');
  readonly #proxies: PeerProxy[] = [];
  #made = 0;

  private constructor(options: ClusterOptions) {
    if (options.isProxied === true && !canFindDialler) {
      throw new Error('links cannot be told apart on this system');
    }
    this.#options = options;
    this.electionMs = options.electionMs ?? 1000;
    this.heartbeatMs = options.heartbeatMs ?? 100;
  }

  /** Starts all members and waits until each is ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      for (let i = 0; i < options.size; i += 1) cluster.members.push(await cluster.#make());
      const initial = cluster.members.map((member) => `${member.name}=${member.peerUrl}`).join();
      for (const member of cluster.members) {
        member.joins(initial, 'new');
        member.launch();
      }
      await Promise.all(cluster.members.map((member) => member.ready()));
      await cluster.leader();
    } catch (error) {
      const logs = cluster.describe();
      await cluster.stop();
      throw new Error(`the cluster did not start:\n${logs}`, { cause: error });
    }
    return cluster;
  }

  async #make(): Promise<ClusterMember> {
    const name = `m${this.#made + 1}`;
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const { engines, flags = [] } = this.#options;
    let proxy: PeerProxy | null = null;
    if (this.#options.isProxied === true) {
      const find = (port: number, at: number) => this.#dialler(port, at);
      proxy = await PeerProxy.start(this.links, name, peerPort, find);
      this.#proxies.push(proxy);
    }
    const member = new ClusterMember({
      name,
      program: this.#options.program ?? program,
      engine: engines[this.#made % engines.length] ?? 'memory',
      dataDir: join(this.#folder, name),
      clientPort,
      peerPort,
      proxy,
      flags: [
        `--heartbeat-interval=${this.heartbeatMs}`,
        `--election-timeout=${this.electionMs}`,
        ...flags,
      ],
    });
    mkdirSync(member.settings.dataDir, { mode: 0o700 });
    this.#made += 1;
    return member;
  }

  #dialler(port: number, proxyPort: number): string | null {
    const running = this.members.filter((member) => member.isRunning);
    const pids = new Map(running.map((member) => [member.name, member.process.pid]));
    const found = diallerOf(port, proxyPort, pids);
    return found === undefined ? outsider : found;
  }

  /** Members whose process runs and is not paused. */
  get running(): ClusterMember[] {
    return this.members.filter((member) => member.isRunning && !member.isPaused);
  }

  /** The answers of those running members that answer within a second. */
  async statuses(): Promise<MemberStatus[]> {
    const asked = this.running.map(async (member) => {
      try {
        const status = await member.client.status({ timeoutMs: 1000 });
        member.id = status.header?.member_id ?? member.id;
        return { member, status };
      } catch {
        return null;
      }
    });
    return (await Promise.all(asked)).filter((one) => one !== null);
  }

  /** The member that leads in the newest term that any running member knows. */
  async leaderNow(): Promise<ClusterMember | null> {
    const statuses = await this.statuses();
    const newest = Math.max(...statuses.map(({ status }) => Number(status.raftTerm)));
    const leading = statuses.find(({ member, status }) => {
      const isNewest = Number(status.raftTerm) === newest;
      return status.leader === member.id && isNewest && member.id !== 0n;
    });
    return leading?.member ?? null;
  }

  /** Waits for a leader, for another than `not` if that is given. */
  async leader(timeoutMs = 15_000, not: ClusterMember | null = null): Promise<ClusterMember> {
    return waitFor(
      'a leader',
      async () => {
        const found = await this.leaderNow();
        return found === null || found === not ? undefined : found;
      },
      timeoutMs,
    );
  }

  /** A running member that does not lead. */
  async follower(): Promise<ClusterMember> {
    const leader = await this.leader();
    const found = this.running.find((member) => member !== leader);
    if (found === undefined) throw new Error('nobody follows');
    return found;
  }

  memberNamed(name: string): ClusterMember {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  /** Everybody but these. */
  others(...these: readonly ClusterMember[]): ClusterMember[] {
    return this.members.filter((member) => !these.includes(member));
  }

  /** Waits until every running member answers a linearizable read. */
  async healthy(timeoutMs = 30_000): Promise<void> {
    const waits = this.running.map((member) =>
      waitFor(
        `${member.name} to answer a linearizable read`,
        async () => {
          try {
            await member.client.get('health', { timeoutMs: 2000 });
            return true;
          } catch {
            return false;
          }
        },
        timeoutMs,
        50,
      ),
    );
    await Promise.all(waits);
  }

  /** HashKV of every running member at the newest revision, by name. */
  async hashes(timeoutMs = 60_000): Promise<Map<string, string>> {
    const { client } = await this.leader();
    const revision = (await client.range({ key: Buffer.from('x') })).header?.revision ?? 0n;
    const hashes = new Map<string, string>();
    for (const member of this.running) {
      const answer = await waitFor(
        `${member.name} to hash revision ${revision}`,
        () => member.client.hashKv(revision, { timeoutMs: 30_000 }).catch(() => undefined),
        timeoutMs,
      );
      const compacted = answer.compact_revision;
      hashes.set(member.name, `${answer.hash} at ${revision}, compacted ${compacted}`);
    }
    return hashes;
  }

  /** Adds a member and starts it; it is ready when this resolves. */
  async add(isLearner = false, timeoutMs = 30_000): Promise<ClusterMember> {
    const member = await this.#make();
    const { client } = await this.leader();
    const added = await waitFor(
      'a member to be added',
      () => memberAdd(client, [member.peerUrl], isLearner).catch(() => undefined),
      timeoutMs,
      200,
    );
    member.id = added.member?.ID ?? 0n;
    const listed = added.members.flatMap(({ ID, name, peerURLs }) => {
      return peerURLs.map((url) => `${ID === member.id ? member.name : name}=${url}`);
    });
    this.members.push(member);
    member.joins(listed.join(), 'existing');
    await member.start(timeoutMs);
    return member;
  }

  /** Takes a member out of the membership, through another one; its process is left as it is. */
  async remove(member: ClusterMember, through?: ClusterMember): Promise<void> {
    const id = member.id;
    if (id === 0n) throw new Error(`${member.name} has never answered`);
    const asked = through ?? this.running.find((one) => one !== member);
    if (asked === undefined) throw new Error('nobody to ask');
    await memberRemove(asked.client, id);
    this.members.splice(this.members.indexOf(member), 1);
  }

  /** Kills what runs and closes the proxies. */
  async stop(extra: readonly ClusterMember[] = []): Promise<void> {
    for (const member of [...this.members, ...extra]) {
      member.keepLog();
      if (member.isRunning) await member.kill();
      member.client.close();
    }
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
    // Closed sockets of this process are let go of before the next cluster takes ports.
    await sleep(10);
  }

  /** The end of every log. */
  describe(): string {
    return this.members.map((member) => member.lastLines()).join('\n');
  }
}
