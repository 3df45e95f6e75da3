// One member that scripts/local-cluster runs: its addresses, its process, its log, and what it says
// of itself over gRPC. Called by main.mjs.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inRoot } from '../tasks.mjs';

const statusTimeoutMs = 700;

/** Encodes and decodes Status; from the build, whose .proto files are the one place for it. */
export async function loadStatusCall() {
  const dist = process.env.METASTORE_DIST ?? inRoot('dist');
  const messages = join(dist, 'src', 'base', 'proto', 'messages.js');
  try {
    const { default: grpc } = await import('@grpc/grpc-js');
    const { statusRequest, statusResponse } = await import(pathToFileURL(messages).href);
    return { grpc, statusRequest, statusResponse };
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`not built yet: run "npm run build" in ${inRoot()}`);
  }
}

/** Rejects when somebody listens on the port. */
function tryPort(port, what) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const why = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${error.code})`;
      reject(new Error(`port ${port}, ${what}, ${why}: choose others by --base-port=<port>`));
    });
    server.listen(port, '127.0.0.1', () => server.close(resolve));
  });
}

export class Member {
  exit = null;
  /** Latest answer to Status; null when there is none. */
  status = null;
  /** How many answers to Status in a row are missing. */
  missed = 0;
  #hasAnswered = false;
  #child = null;
  #client = null;

  constructor(index, options, call) {
    const { basePort, data, engines, program } = options;
    this.name = `m${index + 1}`;
    this.engine = engines === null ? null : engines[index % engines.length];
    this.clientPort = basePort + 10 * index;
    this.peerPort = this.clientPort + 1;
    this.clientUrl = `http://127.0.0.1:${this.clientPort}`;
    this.peerUrl = `http://127.0.0.1:${this.peerPort}`;
    this.dataDir = join(data, this.name);
    this.logFile = join(data, `${this.name}.log`);
    this.program = program;
    this.call = call;
  }

  get pid() {
    return this.#child?.pid ?? null;
  }

  get isRunning() {
    return this.#child !== null && this.exit === null;
  }

  async checkPorts() {
    await tryPort(this.clientPort, `for clients of ${this.name}`);
    await tryPort(this.peerPort, `for peers of ${this.name}`);
  }

  args(initialCluster, flags) {
    return [
      `--name=${this.name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${initialCluster}`,
      '--initial-cluster-token=local-cluster',
      ...(this.engine === null ? [] : [`--storage-engine=${this.engine}`]),
      ...flags,
    ];
  }

  /**
   * Starts the process. It has a process group of its own, so that Ctrl-C reaches this script
   * alone, which then stops the members in order.
   */
  start(initialCluster, flags) {
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
    const log = openSync(this.logFile, 'w');
    try {
      const stdio = ['ignore', log, log];
      const args = this.args(initialCluster, flags);
      this.#child = spawn(this.program, args, { stdio, detached: true });
    } finally {
      closeSync(log);
    }
    this.#child.once('error', (error) => {
      this.exit = error.message;
    });
    this.#child.once('exit', (code, signal) => {
      this.exit = signal === null ? `code ${code}` : signal;
      this.status = null;
    });
  }

  signal(name) {
    if (this.isRunning) this.#child.kill(name);
  }

  /** The log's last lines, cut to a terminal's width. */
  lastLines(count = 24) {
    const text = readFileSync(this.logFile, 'utf8').trimEnd();
    const lines = text.split('\n').slice(-count);
    return lines.map((line) => `    ${line.slice(0, 300)}`).join('\n');
  }

  /** Asks the member how it is; no answer is an answer too. */
  async ask() {
    if (!this.isRunning) return;
    const { grpc, statusRequest, statusResponse } = this.call;
    this.#client ??= new grpc.Client(
      `127.0.0.1:${this.clientPort}`,
      grpc.credentials.createInsecure(),
      { 'grpc.max_reconnect_backoff_ms': 500, 'grpc.initial_reconnect_backoff_ms': 100 },
    );
    const answer = await new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        '/etcdserverpb.Maintenance/Status',
        (message) => statusRequest.encode(message),
        (bytes) => statusResponse.decode(bytes),
        {},
        { deadline: Date.now() + statusTimeoutMs },
        (error, message) => resolve(error === null ? message : null),
      );
    });
    if (!this.isRunning) return;
    this.missed = answer === null ? this.missed + 1 : 0;
    this.#hasAnswered ||= answer !== null;
    if (answer !== null || this.missed > 2) this.status = answer;
  }

  close() {
    this.#client?.close();
  }

  /** What the member is to the cluster, in a word or two. */
  get role() {
    if (this.exit !== null) return `ended: ${this.exit}`;
    if (this.status === null) return this.#hasAnswered ? 'no answer' : 'starting';
    const { leader, header, isLearner } = this.status;
    if (leader === 0n) return 'no leader';
    if (isLearner) return 'learner';
    return leader === header?.member_id ? 'leader' : 'follower';
  }
}
