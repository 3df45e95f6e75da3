// The encoding of membership changes, encoded sizes, texts, and the checks of what peers send:
// every byte string and every message gives an answer or an error, never a crash.

import t from 'tap';
import type { ConfChange, Entry, Message } from '../../../src/raft/index.js';
import {
  asConfChangeV2,
  changeTypeName,
  checkPeerMessage,
  confChangeOfEntry,
  confChangeText,
  decodeConfChange,
  decodeConfChangeV2,
  EntryType,
  encodeConfChange,
  encodeConfChangeV2,
  entriesSize,
  entrySize,
  LOCAL_APPEND_THREAD,
  limitSize,
  MessageType,
  makeEntry,
  makeMessage,
  messageTypeOf,
  payloadsSize,
  quote,
  RaftError,
} from '../../../src/raft/index.js';
import { checkMessage } from '../../../src/raft/wire/check.js';
import { seeded } from '../../support/raft/cluster/prng.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const malformed = { name: 'RaftError', code: 'invalid-conf-change' };

t.test('membership changes have the bytes of the protocol', (test) => {
  const change: ConfChange = { id: 0n, type: 0, nodeId: 1n, context: null };
  test.same(encodeConfChange(change), bytes(0x10, 0, 0x18, 1), 'type and node always');
  const full: ConfChange = { id: 300n, type: 3, nodeId: 2n ** 64n - 1n, context: bytes(7) };
  const node = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
  test.same(encodeConfChange(full), bytes(8, 0xac, 2, 0x10, 3, 0x18, ...node, 0x22, 1, 7));
  test.same(decodeConfChange(encodeConfChange(full)), full);
  const empty = { transition: 0, changes: [], context: null } as const;
  test.same(encodeConfChangeV2(empty), bytes(8, 0), 'the transition always');
  const joint = {
    transition: 2,
    changes: [
      { type: 1, nodeId: 5n },
      { type: 0, nodeId: 0n },
    ],
    context: bytes(),
  } as const;
  const encoded = bytes(8, 2, 0x12, 4, 8, 1, 0x10, 5, 0x12, 4, 8, 0, 0x10, 0, 0x1a, 0);
  test.same(encodeConfChangeV2(joint), encoded);
  test.same(decodeConfChangeV2(encoded), joint);
  test.end();
});

t.test('unknown fields are skipped, missing ones are zero', (test) => {
  const unknown = bytes(0x78, 5, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4, 0x7a, 1, 9);
  const nothing = { id: 0n, type: 0, nodeId: 0n, context: null };
  test.same(decodeConfChange(unknown), nothing);
  test.same(decodeConfChange(bytes()), nothing);
  const single = bytes(0x12, 2, 0x78, 1);
  test.same(decodeConfChangeV2(single).changes, [{ type: 0, nodeId: 0n }]);
  test.same(decodeConfChangeV2(unknown).changes, []);
  test.end();
});

t.test('garbage is an error, whatever it is', (test) => {
  const cases = {
    'truncated number': bytes(0x18, 0x80),
    'endless number': bytes(0x18, ...new Array(11).fill(0x80)),
    'truncated bytes': bytes(0x22, 5, 1),
    'huge length': bytes(0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
    'field 0': bytes(0x00, 1),
    group: bytes(0x1b),
    'unknown kind of field': bytes(0x1f),
    'type out of range': bytes(0x10, 4),
    'bytes for a number': bytes(0x1a, 0),
    'number for bytes': bytes(0x20, 1),
    'tag too long': bytes(0xf8, 0xff, 0xff, 0xff, 0xff, 0x01, 0),
    'truncated fixed': bytes(0x79, 1, 2),
  };
  for (const [name, data] of Object.entries(cases)) {
    test.throws(() => decodeConfChange(data), malformed, name);
  }
  test.throws(() => decodeConfChangeV2(bytes(8, 3)), malformed, 'transition out of range');
  test.throws(() => decodeConfChangeV2(bytes(0x10, 3)), malformed, 'number for a change');
  const random = seeded(3);
  for (let round = 0; round < 20_000; round++) {
    const data = new Uint8Array(random(12)).map(() => random(256));
    for (const decode of [decodeConfChange, decodeConfChangeV2]) {
      try {
        decode(data);
      } catch (error) {
        if (!(error instanceof RaftError)) {
          test.fail(`${Buffer.from(data).toString('hex')}: ${String(error)}`);
        }
      }
    }
  }
  test.end();
});

t.test('the change in an entry', (test) => {
  const v1 = makeEntry(EntryType.ConfChange, 1, 1, bytes(0x10, 1, 0x18, 3));
  test.equal(
    confChangeText(confChangeOfEntry(v1)),
    'transition:ConfChangeTransitionAuto changes:{type:ConfChangeRemoveNode node_id:3}',
  );
  const leave = makeEntry(EntryType.ConfChangeV2, 1, 1, null);
  test.same(confChangeOfEntry(leave), { transition: 0, changes: [], context: null });
  const nothing = makeEntry(EntryType.ConfChange, 1, 1, null);
  test.same(confChangeOfEntry(nothing).changes, [{ type: 0, nodeId: 0n }]);
  const native = makeEntry(EntryType.ConfChangeV2, 1, 1, { byteLength: 4 });
  test.throws(() => confChangeOfEntry(native), malformed, 'bytes that cannot be read');
  const withContext = { id: 1n, type: 2, nodeId: 4n, context: bytes(0x61, 0) } as const;
  test.match(confChangeText(asConfChangeV2(withContext)), / context:"a\\x00"$/);
  test.equal(changeTypeName(2), 'ConfChangeUpdateNode');
  test.end();
});

t.test('encoded sizes', (test) => {
  const sized = (term: number, index: number, length: number | null, typed = false): number => {
    const data = length === null ? null : { byteLength: length };
    return entrySize(makeEntry(0, term, index, data, typed));
  };
  test.equal(sized(1, 1, null), 4);
  test.equal(sized(1, 1, null, true), 6);
  test.equal(sized(1, 1, 0), 6, 'present but empty');
  test.equal(sized(127, 128, 127), 2 + 1 + 2 + 2 + 127);
  test.equal(sized(2 ** 14, 2 ** 21 - 1, 128), 2 + 3 + 3 + 3 + 128);
  test.equal(sized(2 ** 35, 2 ** 53 - 1, 2 ** 21), 2 + 6 + 8 + 5 + 2 ** 21);
  const entries = [10, 20, 30].map((length, i) => makeEntry(0, 1, i + 1, { byteLength: length }));
  test.equal(payloadsSize(entries), 60);
  test.equal(entriesSize(entries), 60 + 18);
  test.same(limitSize(entries, 42).length, 2);
  test.same(limitSize(entries, 41).length, 1);
  test.same(limitSize(entries, 0).length, 1);
  test.equal(limitSize(entries, 78), entries);
  test.same(limitSize([], 0), []);
  test.end();
});

t.test('quoted bytes', (test) => {
  const quoted = (...values: number[]): string => quote(bytes(...values));
  test.equal(quoted(), '""');
  test.equal(quoted(7, 8, 9, 10, 11, 12, 13, 0x5c, 0x22), '"\\a\\b\\t\\n\\v\\f\\r\\\\\\""');
  test.equal(quoted(0, 0x1b, 0x7f, 0x20, 0x27), '"\\x00\\x1b\\x7f \'"');
  const text = (value: string): string => quote(Buffer.from(value));
  test.equal(text('größe 漢 🙂'), '"größe 漢 🙂"');
  test.equal(text('\u00a0\u200b\ufeff\u0085'), '"\\u00a0\\u200b\\ufeff\\u0085"');
  test.equal(text('\u{e0001}'), '"\\U000e0001"');
  test.equal(quoted(0xc3), '"\\xc3"', 'cut off');
  test.equal(quoted(0xc3, 0x28), '"\\xc3("', 'not continued');
  test.equal(quoted(0xc0, 0x80), '"\\xc0\\x80"', 'overlong');
  test.equal(quoted(0xed, 0xa0, 0x80), '"\\xed\\xa0\\x80"', 'half a surrogate pair');
  test.equal(quoted(0xf4, 0x90, 0x80, 0x80), '"\\xf4\\x90\\x80\\x80"', 'beyond the last one');
  test.equal(quoted(0xff, 0x80), '"\\xff\\x80"');
  test.equal(messageTypeOf('MsgForgetLeader'), MessageType.ForgetLeader);
  test.equal(messageTypeOf('MsgNothing'), undefined);
  test.end();
});

const invalid = { name: 'RaftError', code: 'invalid-message' };

function appendOf(entries: Entry[], fields: Partial<Message> = {}): Message {
  return makeMessage(MessageType.App, 1n, { from: 2n, term: 3, index: 4, entries, ...fields });
}

t.test('messages that contradict themselves are refused', (test) => {
  const good = [makeEntry(0, 1, 5, null), makeEntry(0, 3, 6, null)];
  test.doesNotThrow(() => checkMessage(appendOf(good)));
  const cases: Record<string, Message> = {
    'a gap': appendOf([makeEntry(0, 1, 6, null)]),
    'a repeated index': appendOf([makeEntry(0, 1, 5, null), makeEntry(0, 1, 5, null)]),
    'falling terms': appendOf([makeEntry(0, 3, 5, null), makeEntry(0, 2, 6, null)]),
    'a term below the previous': appendOf([makeEntry(0, 1, 5, null)], { logTerm: 2 }),
    'a term of the future': appendOf([makeEntry(0, 4, 5, null)]),
    'not a number': appendOf([makeEntry(0, Number.NaN, 5, null)]),
    'a negative index': makeMessage(MessageType.AppResp, 1n, { index: -1 }),
    'a fraction': makeMessage(MessageType.Heartbeat, 1n, { commit: 1.5 }),
    'a number beyond doubles': makeMessage(MessageType.Vote, 1n, { term: 2 ** 53 }),
    'an empty proposal': makeMessage(MessageType.Prop, 1n),
    'a proposal with a term': makeMessage(MessageType.Prop, 1n, { term: 1, entries: good }),
    'a read without context': makeMessage(MessageType.ReadIndex, 1n),
    'a snapshot at no index': makeMessage(MessageType.Snap, 1n, {
      term: 1,
      snapshot: {
        data: null,
        metadata: {
          confState: {
            voters: [],
            learners: [],
            votersOutgoing: [],
            learnersNext: [],
            autoLeave: false,
          },
          index: -5,
          term: 1,
        },
      },
    }),
  };
  for (const [name, message] of Object.entries(cases)) {
    test.throws(() => checkMessage(message), invalid, name);
  }
  const entries = [makeEntry(EntryType.ConfChange, 0, 0, bytes(0xff))];
  const proposal = makeMessage(MessageType.Prop, 1n, { entries });
  test.throws(() => checkMessage(proposal), malformed, 'a change that does not decode');
  test.doesNotThrow(() => checkMessage(makeMessage(MessageType.Snap, 1n, { term: 1 })));
  test.end();
});

t.test('messages that no peer sends are refused', (test) => {
  const check = (type: MessageType, fields: Partial<Message>): void =>
    checkPeerMessage(makeMessage(type, fields.to ?? 1n, fields), 1n);
  test.doesNotThrow(() => check(MessageType.Vote, { from: 2n, term: 1 }));
  const entries = [makeEntry(0, 0, 0, bytes(1))];
  test.doesNotThrow(() => check(MessageType.Prop, { from: 2n, entries }));
  test.doesNotThrow(() => check(MessageType.TransferLeader, { from: 1n, term: 2 }));
  const local = { name: 'RaftError', code: 'step-local-message' };
  test.throws(() => check(MessageType.Hup, { from: 2n }), local);
  test.throws(() => check(MessageType.StorageAppendResp, { from: LOCAL_APPEND_THREAD }), local);
  test.throws(() => check(MessageType.AppResp, { from: LOCAL_APPEND_THREAD, term: 1 }), invalid);
  test.throws(() => check(MessageType.AppResp, { from: 1n, term: 1 }), invalid, 'from itself');
  test.throws(() => check(MessageType.AppResp, { from: 0n, term: 1 }), invalid, 'from nobody');
  test.throws(() => check(MessageType.AppResp, { from: 2n, to: 3n, term: 1 }), invalid);
  test.throws(() => check(MessageType.Snap, { from: 2n }), invalid, 'of no term');
  test.throws(() => check(MessageType.ReadIndex, { from: 2n, term: 4, entries }), invalid);
  test.end();
});
