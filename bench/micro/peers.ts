// The peer transport by itself: two ends in one process over the loopback, no Raft and no disk.
// Says what a message, an append and a snapshot cost there, and how long a message takes when
// nothing else is going on. Run by plain node; bench.test.ts runs it tiny.

import { parseArgs } from 'node:util';
import { encodeConfState } from '../../src/cluster/conf-state.js';
import { emptyConfState, type Message, MessageType, makeMessage } from '../../src/raft/index.js';
import { waitFor } from '../../test/support/wait.js';
import { makeRun } from '../../test/unit/cluster/peers/support/fake-peer-core.js';
import { cluster, type TestMember } from '../../test/unit/cluster/peers/support/test-member.js';

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    megabytes: { type: 'string', default: '512' },
    pings: { type: 'string', default: '2000' },
  },
});

const snapshotBytes = Math.max(1, Number(options.megabytes) / 4) * (1 << 20);

/** A core that does not look into runs: native code does that, and is measured elsewhere. */
function blind(member: TestMember): void {
  member.core.inspectEntries = () => new Float64Array(0);
  const written = new Map<number, number>();
  member.core.openImport = async () => written.size + 1;
  member.core.writeImport = async (id, _offset, chunk) => {
    written.set(id, (written.get(id) ?? 0) + chunk.length);
  };
  member.core.readExport = async (_id, offset, maxBytes) =>
    Buffer.alloc(4 + Math.min(maxBytes, snapshotBytes - offset));
  member.core.exportSnapshot = async () => ({
    id: 1,
    kind: 'image',
    index: 9,
    term: 2,
    sizeBytes: snapshotBytes,
    confState: Buffer.from(
      encodeConfState({ ...emptyConfState, voters: [1n, 2n] }).value as Uint8Array,
    ),
  });
  member.core.closeExport = () => undefined;
}

function report(name: string, perSecond: number, unit: string, cpuUs: number): void {
  console.log(JSON.stringify({ name, per_second: Math.round(perSecond), unit, cpu_us: cpuUs }));
}

async function measured(name: string, unit: string, count: number, run: () => Promise<void>) {
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  await run();
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  report(name, count / seconds, unit, Math.round(((user + system) / count) * 100) / 100);
}

const [a, b] = (await cluster(2, { electionMs: 1000 })) as [TestMember, TestMember];
blind(a);
blind(b);
await waitFor('a connection', () => a.isConnected(b));
let received = 0;
let answer: (message: Message) => void = () => undefined;
b.events.receive = (message) => {
  received++;
  answer(message);
};
a.events.receive = () => {
  received++;
};

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const heartbeat = makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 5, commit: 1e9 });
const back = makeMessage(MessageType.HeartbeatResp, 1n, { from: 2n, term: 5 });

/** Sends `count` messages, `perTurn` at a time, never more than `ahead` of what has arrived. */
async function stream(count: number, perTurn: number, ahead: number, send: () => void) {
  received = 0;
  for (let sent = 0; sent < count; ) {
    for (let i = 0; i < perTurn && sent < count && sent - received < ahead; i++, sent++) {
      send();
    }
    await turn();
  }
  await waitFor('the rest', () => received >= count, 60_000, 1);
}

const messages = Number(options.messages);
const sendHeartbeat = () => a.peers.send(heartbeat, null);
await measured('heartbeats, one a turn', 'messages', messages / 10, () =>
  stream(messages / 10, 1, 1000, sendHeartbeat),
);
await measured('heartbeats, 100 a turn', 'messages', messages, () =>
  stream(messages, 100, 10_000, sendHeartbeat),
);

const pings = Number(options.pings);
answer = () => b.peers.send(back, null);
await measured('there and back', 'round trips', pings, async () => {
  for (let i = 0; i < pings; i++) {
    received = 0;
    sendHeartbeat();
    while (received < 2) await turn();
  }
});
answer = () => undefined;

for (const [name, bytes] of [
  ['appends of 16 KiB', 16 << 10],
  ['appends of 1 MiB', 1 << 20],
] as const) {
  const run = makeRun([{ term: 1, type: 0, data: Buffer.alloc(bytes) }]) as unknown as Uint8Array;
  const append = makeMessage(MessageType.App, 2n, { from: 1n, term: 1, index: 1 });
  const count = Math.ceil((Number(options.megabytes) << 20) / bytes);
  await measured(name, 'MiB', (count * bytes) / (1 << 20), () =>
    stream(count, 16, Math.max(8, (8 << 20) / bytes), () => a.peers.send(append, run)),
  );
}

const metadata = { confState: emptyConfState, index: 4, term: 2 };
const snap = makeMessage(MessageType.Snap, 2n, {
  from: 1n,
  term: 5,
  snapshot: { data: null, metadata },
});
await measured('a snapshot', 'MiB', snapshotBytes / (1 << 20), async () => {
  a.peers.sendSnapshot(snap);
  await waitFor('the snapshot', () => a.events.done.length === 1, 60_000, 1);
});
if (a.events.done[0]?.ok !== true || a.events.unreachableAtMs.length > 0) {
  throw new Error('something was lost');
}
await Promise.all([a.stop(), b.stop()]);
