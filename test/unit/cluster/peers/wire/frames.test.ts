// The hand-written encoding of frames against what protobufjs makes of the .proto file, in both
// directions, with random messages; and random bytes, which must be refused or decoded.

import { join } from 'node:path';
import protobuf from 'protobufjs';
import t from 'tap';
import { MetaStoreError } from '../../../../../src/base/errors.js';
import { packageRoot } from '../../../../../src/base/package.js';
import {
  decodeFrame,
  decodeReply,
  encodeFrame,
  encodeReply,
  outbound,
} from '../../../../../src/cluster/peers/wire/frame.js';
import {
  type EntryType,
  type Message,
  type MessageType,
  makeEntry,
  makeMessage,
} from '../../../../../src/raft/index.js';
import { Prng } from '../../../../../src/server/election/prng.js';

const root = protobuf.loadSync(join(packageRoot, 'proto', 'metastore', 'peer.proto'));
const frameType = root.lookupType('metastore.peer.v1.Frame');
const replyType = root.lookupType('metastore.peer.v1.Reply');
const prng = new Prng(20_261_121);

const below = (bound: number) => prng.nextUint32() % bound;
const id = () => (BigInt(prng.nextUint32()) << 32n) | BigInt(prng.nextUint32());

function counter(): number {
  const sizes = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
  return below(2) === 0 ? (sizes[below(sizes.length)] as number) : below(2 ** 31) * below(2 ** 21);
}

function bytes(): Uint8Array {
  return Uint8Array.from({ length: below(4) === 0 ? below(400) : below(20) }, () => below(256));
}

function randomMessage(): { message: Message; run: Uint8Array | null } {
  const run = below(2) === 0 ? bytes() : null;
  const entry = () => {
    const data = below(3) === 0 ? null : bytes();
    return makeEntry(below(3) as EntryType, counter(), counter(), data);
  };
  const message = makeMessage(below(24) as MessageType, id(), {
    from: id(),
    term: counter(),
    logTerm: counter(),
    index: counter(),
    commit: counter(),
    vote: below(2) === 0 ? 0n : id(),
    reject: below(2) === 0,
    rejectHint: counter(),
    context: below(2) === 0 ? null : bytes(),
    entries: run === null ? Array.from({ length: below(3) }, entry) : [],
  });
  return { message, run };
}

const hex = (some: Uint8Array | null) => (some === null ? null : Buffer.from(some).toString('hex'));

/** All of a message as text, so that buffers of different kinds compare. */
function plain({ message, run }: { message: Message; run: Uint8Array | null }): string {
  const entries = message.entries.map(({ type, term, index, data }) => [
    type,
    term,
    index,
    hex(data as Uint8Array | null),
  ]);
  const rest = { ...message, entries, context: hex(message.context), run: hex(run) };
  return JSON.stringify(rest, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
}

t.test('frames are what the .proto file says', async (t) => {
  for (let round = 0; round < 500; round++) {
    const messages = Array.from({ length: below(4) }, randomMessage);
    const ping = below(2) === 0 ? 0 : counter();
    const frame = encodeFrame(
      messages.map(({ message, run }) => outbound(message, run)),
      ping,
    );
    // What protobufjs understands, and writes again, says the same.
    const again = frameType.encode(frameType.decode(frame as unknown as Uint8Array)).finish();
    for (const encoded of [frame, Buffer.from(again)]) {
      const decoded = decodeFrame(encoded);
      if (decoded.ping !== ping || decoded.messages.length !== messages.length) {
        t.fail(`round ${round}: another frame`);
      }
      decoded.messages.forEach((one, i) => {
        const sent = messages[i] as (typeof messages)[number];
        if (plain(one) !== plain(sent)) {
          t.equal(plain(one), plain(sent), `round ${round}`);
        }
      });
    }
  }
  t.pass('500 rounds');
});

t.test('fields are those of the .proto file', async (t) => {
  const { message } = randomMessage();
  const frame = encodeFrame([outbound({ ...message, term: 77, index: 2 ** 40 }, null)], 5);
  const decoded = frameType.toObject(frameType.decode(frame as unknown as Uint8Array), {
    longs: String,
  }) as { ping: string; messages: { term: string; index: string; from: string }[] };
  t.equal(decoded.ping, '5');
  t.equal(decoded.messages[0]?.term, '77');
  t.equal(decoded.messages[0]?.index, String(2 ** 40));
  t.equal(decoded.messages[0]?.from, String(message.from));
  const reply = replyType.decode(encodeReply(2 ** 50) as unknown as Uint8Array);
  t.equal(replyType.toObject(reply, { longs: String }).pong, String(2 ** 50));
  t.equal(decodeReply(encodeReply(2 ** 50)), 2 ** 50);
});

t.test('newer fields are skipped', async (t) => {
  const unknown = Buffer.from('f80101f9010102030405060708fa0103616263fd0101020304', 'hex');
  t.strictSame(decodeFrame(unknown), { messages: [], ping: 0 });
  t.equal(decodeReply(unknown), 0);
});

t.test('any bytes are decoded or refused', async (t) => {
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const frame = encodeFrame(
      [randomMessage()].map(({ message, run }) => outbound(message, run)),
      1,
    );
    for (let flips = 1 + below(3); flips > 0; flips--) {
      frame[below(frame.length)] = below(256);
    }
    const cut = below(3) === 0 ? frame.subarray(0, below(frame.length)) : frame;
    try {
      decodeFrame(cut);
    } catch (error) {
      refused++;
      if (!(error instanceof MetaStoreError) || error.code !== 'Unmarshal') {
        throw error;
      }
    }
  }
  t.ok(refused > 5000, `${refused} were refused`);
});
