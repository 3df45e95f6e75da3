// Three or five members on 127.0.0.1: starts them, watches over them, stops them all. Started by
// scripts/local-cluster, which has the same help. Ends with code 0 when it was asked to stop, with
// 1 when the cluster did not start or all members have ended by themselves.

import { existsSync, statSync } from 'node:fs';
import { main, seconds } from '../tasks.mjs';
import { loadStatusCall, Member } from './member.mjs';
import { readOptions, usage } from './options.mjs';
import {
  isSupervised,
  prepareDirectory,
  readState,
  runningMembers,
  shapeOf,
  writeState,
} from './state.mjs';
import { View } from './view.mjs';

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const lookIntervalMs = 400;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Supervisor {
  #options;
  #members;
  #view;
  #stopSignal = null;
  #told = new Set();

  constructor(options, call) {
    this.#options = options;
    this.#members = Array.from({ length: options.size }, (_, i) => new Member(i, options, call));
    this.#view = new View(process.stdout);
  }

  async run() {
    const { data, flags } = this.#options;
    prepareDirectory(this.#options);
    for (const member of this.#members) await member.checkPorts();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        this.#stopSignal ??= signal;
      });
    }
    const initial = this.#members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join();
    for (const member of this.#members) member.start(initial, flags);
    this.#remember();
    this.#view.say(`data and logs: ${data}`);
    try {
      const started = await this.#untilReady();
      if (started) await this.#watchOver();
    } finally {
      await this.#stop();
    }
  }

  #remember(isRunning = true) {
    const { data } = this.#options;
    writeState(data, {
      data,
      shape: shapeOf(this.#options),
      supervisor: isRunning ? process.pid : null,
      members: isRunning ? this.#members.map(({ name, pid }) => ({ name, pid })) : [],
    });
  }

  async #look() {
    await Promise.all(this.#members.map((member) => member.ask()));
    if (this.#stopSignal === null) this.#view.update(this.#members);
  }

  /** Whether the cluster came up before it was asked to stop. @throws Error when it did not */
  async #untilReady() {
    const started = Date.now();
    while (this.#stopSignal === null) {
      await this.#look();
      for (const member of this.#members) {
        if (!member.isRunning) throw this.#failed(member, `ended: ${member.exit}`);
      }
      const isLed = this.#members.every(({ role }) => role === 'leader' || role === 'follower');
      if (isLed) {
        const endpoints = this.#members.map(({ clientUrl }) => clientUrl).join();
        const took = seconds(Date.now() - started);
        this.#view.say(`ready after ${took}: etcdctl --endpoints=${endpoints} endpoint status`);
        return true;
      }
      if (Date.now() - started > startTimeoutMs) {
        const slow = this.#members.find(({ role }) => role !== 'leader' && role !== 'follower');
        throw this.#failed(slow, `not ready after ${seconds(startTimeoutMs)} (${slow.role})`);
      }
      await sleep(lookIntervalMs / 4);
    }
    return false;
  }

  #failed(member, how) {
    return new Error(`${member.name} ${how}\n${member.lastLines()}\n  from ${member.logFile}`);
  }

  async #watchOver() {
    while (this.#stopSignal === null) {
      await this.#look();
      for (const member of this.#members) {
        if (member.isRunning || this.#told.has(member)) continue;
        this.#told.add(member);
        this.#view.say(`${member.name} has ended (${member.exit}); its log: ${member.logFile}`);
        this.#view.update(this.#members);
      }
      if (this.#members.every((member) => !member.isRunning)) {
        throw new Error('all members have ended by themselves');
      }
      await sleep(lookIntervalMs);
    }
  }

  async #stop() {
    const running = this.#members.filter((member) => member.isRunning);
    if (running.length > 0) this.#view.say(`stopping ${running.length} members`);
    for (const member of running) member.signal('SIGTERM');
    const until = Date.now() + stopTimeoutMs;
    while (running.some((member) => member.isRunning) && Date.now() < until) await sleep(20);
    for (const member of running) {
      if (!member.isRunning) continue;
      this.#view.say(`${member.name} did not stop in ${seconds(stopTimeoutMs)}: killed`);
      member.signal('SIGKILL');
    }
    for (const member of this.#members) member.close();
    this.#remember(false);
  }
}

/** Stops the cluster that runs in the directory: through its script, or its members themselves. */
async function stop({ data }) {
  const state = readState(data);
  if (state === null) throw new Error(`no cluster was started in ${data} (see --data)`);
  const targets = isSupervised(state, data)
    ? [state.supervisor]
    : runningMembers(state, data).map(({ pid }) => pid);
  if (targets.length === 0) {
    process.stdout.write(`no cluster runs in ${data}\n`);
    return;
  }
  for (const pid of targets) process.kill(pid, 'SIGTERM');
  const until = Date.now() + stopTimeoutMs + 5000;
  const isGone = () => {
    return !isSupervised(state, data) && runningMembers(state, data).length === 0;
  };
  while (!isGone()) {
    if (Date.now() > until) throw new Error(`still running: ${targets.join(', ')}`);
    await sleep(100);
  }
  process.stdout.write(`stopped the cluster in ${data}\n`);
}

await main(async () => {
  const options = readOptions(process.argv.slice(2));
  if (options.command === 'help') {
    process.stdout.write(usage);
    return;
  }
  if (options.command === 'stop') {
    await stop(options);
    return;
  }
  if (!existsSync(options.program) || !statSync(options.program).isFile()) {
    throw new Error(`--program=${options.program}: no such program`);
  }
  await new Supervisor(options, await loadStatusCall()).run();
  process.exit(0); // Connections to members that are gone would keep it for a while.
});
