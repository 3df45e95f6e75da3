// A small load generator over Node's http2 for machines without h2load. A process of its own, so
// that it does not share a thread with whoever measures; takes its job as one JSON argument and
// prints one JSON line. A request counts as failed unless it ended with grpc-status 0.

import { type ClientHttp2Session, connect } from 'node:http2';

interface Job {
  readonly address: string;
  readonly path: string;
  readonly body: string;
  readonly inFlight: number;
  readonly connections: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

class Load {
  requests = 0;
  failed = 0;
  sumMs = 0;
  maxMs = 0;
  measuring = false;
  stopped = false;
  readonly #job: Job;
  readonly #body: Buffer;

  constructor(job: Job) {
    this.#job = job;
    this.#body = Buffer.from(job.body, 'base64');
  }

  /** Sends one request and, when it has ended, the next one. */
  next(session: ClientHttp2Session): void {
    if (this.stopped) return;
    const started = performance.now();
    const request = session.request({
      ':method': 'POST',
      ':path': this.#job.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: unknown = 'none';
    request.on('response', (headers) => {
      status = headers['grpc-status'] ?? status;
    });
    request.on('trailers', (headers) => {
      status = headers['grpc-status'] ?? status;
    });
    request.on('data', () => {});
    request.on('error', () => {});
    request.on('close', () => {
      this.#count(performance.now() - started, String(status) === '0');
      this.next(session);
    });
    request.end(this.#body);
  }

  #count(ms: number, ok: boolean): void {
    if (!this.measuring) return;
    if (ok) this.requests += 1;
    else this.failed += 1;
    this.sumMs += ms;
    this.maxMs = Math.max(this.maxMs, ms);
  }
}

const job = JSON.parse(process.argv[2] ?? '{}') as Job;
const load = new Load(job);
const sessions = Array.from({ length: job.connections }, () => connect(`http://${job.address}`));
for (const session of sessions) session.on('error', () => {});
for (let index = 0; index < job.inFlight; index += 1) {
  const session = sessions[index % sessions.length];
  if (session !== undefined) load.next(session);
}
setTimeout(() => {
  load.measuring = true;
  const started = performance.now();
  setTimeout(() => {
    const seconds = (performance.now() - started) / 1000;
    load.stopped = true;
    const { requests, failed, sumMs, maxMs } = load;
    const meanMs = sumMs / Math.max(1, requests + failed);
    const result = { requests, failed, perSecond: requests / seconds, meanMs, maxMs };
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
  }, job.seconds * 1000);
}, job.warmUpSeconds * 1000);
