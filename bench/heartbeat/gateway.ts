// Load on the JSON gateway of a member: large bodies, or large answers, on a few connections, each
// asking again as soon as it has been answered. Called by phases.ts.

import { Agent, request } from 'node:http';

import type { ClusterMember } from '../../test/support/cluster/member.js';

/** Just below what a member reads of a body by default: 5 MiB. */
const documentBytes = 5_000_000;
const connections = 4;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** What a phase asks the gateway for. */
export type GatewayWork = 'bodies' | 'answers';

/** A transaction of many small puts in JSON. */
function makeDocument(): Buffer {
  const operations: string[] = [];
  const value = base64('v'.repeat(64));
  for (let index = 0, bytes = 0; bytes < documentBytes; index += 1) {
    const key = base64(`key/${String(index).padStart(8, '0')}`);
    const operation = JSON.stringify({ requestPut: { key, value, lease: String(index) } });
    operations.push(operation);
    bytes += operation.length + 1;
  }
  return Buffer.from(`{"compare":[],"success":[${operations.join()}],"failure":[]}`);
}

const document = makeDocument();
const prefix = 'heartbeat/';
const readAll = Buffer.from(
  JSON.stringify({ key: base64(prefix), range_end: base64('heartbeat0') }),
);

function post(agent: Agent, member: ClusterMember, path: string, body: Buffer): Promise<number> {
  const url = `http://${member.endpoint}/v3/kv/${path}`;
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': body.length };
    const asked = request(url, { method: 'POST', agent, headers }, (answer) => {
      let bytes = 0;
      answer.on('data', (part: Buffer) => {
        bytes += part.length;
      });
      answer.on('end', () => resolve(bytes));
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Fills the store so that an answer with all of it is as large as a document. */
export async function prepareAnswers(member: ClusterMember): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const value = base64('v'.repeat(64));
  const puts = 100;
  for (let from = 0; from < 30_000; from += puts) {
    const success = Array.from({ length: puts }, (_, index) => ({
      request_put: { key: base64(`${prefix}${from + index}`), value },
    }));
    await post(agent, member, 'txn', Buffer.from(JSON.stringify({ success })));
  }
  const bytes = await post(agent, member, 'range', readAll);
  agent.destroy();
  if (bytes < documentBytes) throw new Error(`answers have ${bytes} bytes only`);
}

/** Asks until it is told to stop; resolves with how many answers came. */
export async function loadGateway(
  member: ClusterMember,
  work: GatewayWork,
  until: Promise<unknown>,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const [path, body] = work === 'bodies' ? ['txn', document] : ['range', readAll];
  let answers = 0;
  let isOver = false;
  const askOn = async () => {
    while (!isOver) {
      await post(agent, member, path, body);
      answers += 1;
    }
  };
  const asking = Promise.all(Array.from({ length: connections }, askOn));
  await until;
  isOver = true;
  await asking;
  agent.destroy();
  return answers;
}
