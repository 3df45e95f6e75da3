// Tests of src/server/replica/loop-parts.ts: which acknowledgements need no turn of their own. The
// leader is a real one, brought about by the messages of its followers.

import t from 'tap';

import {
  LOCAL_APPEND_THREAD,
  type Message,
  MessageType,
  RawNode,
  StateType,
} from '../../../../src/raft/index.js';
import { MemoryStorage } from '../../../../src/raft/log/memory-storage.js';
import { makeMessage } from '../../../../src/raft/wire/messages.js';
import { canRest } from '../../../../src/server/replica/loop-parts.js';

const ignore = () => undefined;
const quiet = { debug: ignore, info: ignore, warning: ignore, error: ignore, fatal: ignore };

/** Member 1 of three, which leads in term 1 and has been answered by both others. */
function leader() {
  const storage = new MemoryStorage(quiet);
  const confState = {
    voters: [1n, 2n, 3n],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  storage.applySnapshot({ data: null, metadata: { confState, index: 1, term: 1 } });
  const raw = new RawNode({
    id: 1n,
    electionTick: 10,
    heartbeatTick: 1,
    storage,
    maxSizePerMsg: 1 << 20,
    maxInflightMsgs: 4,
    asyncStorageWrites: true,
    logger: quiet,
    random: () => 0,
  });
  const turn = () => {
    while (raw.hasReady()) {
      for (const message of raw.ready().messages) {
        if (message.to === LOCAL_APPEND_THREAD) {
          storage.append(message.entries);
          for (const response of message.responses) {
            if (response.to === 1n) raw.step(response);
          }
        }
      }
    }
  };
  raw.campaign();
  turn();
  const { raft } = raw;
  raw.step(makeMessage(MessageType.VoteResp, 1n, { from: 2n, term: raft.term }));
  turn();
  t.equal(raft.state, StateType.Leader);
  const ack = (from: bigint, index: number, fields: Partial<Message> = {}): Message => ({
    ...makeMessage(MessageType.AppResp, 1n, { from, term: raft.term, index }),
    ...fields,
  });
  const propose = () => {
    raw.propose([new Uint8Array(1)]);
    turn();
    return raft.log.lastIndex();
  };
  const step = (message: Message) => {
    raw.step(message);
    turn();
  };
  for (const from of [2n, 3n]) {
    step(ack(from, raft.log.lastIndex()));
  }
  return { raw, ack, propose, step };
}

t.test('an acknowledgement of what is committed can rest', async (t) => {
  const { raw, ack, propose, step } = leader();
  const last = propose();
  t.notOk(canRest(raw, ack(2n, last)), 'it commits');
  step(ack(2n, last));
  t.equal(raw.raft.log.committed, last);
  t.ok(canRest(raw, ack(3n, last)), 'the others have been told already');
  t.notOk(canRest(raw, ack(3n, last, { reject: true })));
  t.notOk(canRest(raw, ack(3n, last, { term: raw.raft.term + 1 })));
  t.notOk(canRest(raw, ack(4n, last)), 'of nobody');
  t.notOk(canRest(raw, ack(3n, last, { type: MessageType.HeartbeatResp })));
});

t.test('not while the member waits for something', async (t) => {
  const { raw, ack, propose, step } = leader();
  const last = propose();
  step(ack(2n, last));
  raw.reportUnreachable(3n);
  t.notOk(canRest(raw, ack(3n, last)), 'it is probed');
  step(ack(3n, last));
  let end = last;
  for (let i = 0; i < 5; i++) {
    end = propose();
    step(ack(2n, end));
  }
  t.notOk(canRest(raw, ack(3n, last + 1)), 'its window is full');
  step(ack(3n, end));
  raw.transferLeader(3n);
  t.notOk(canRest(raw, ack(3n, end)), 'it is to lead');
});

t.test('nor by whoever does not lead', async (t) => {
  const { raw, ack, step } = leader();
  const of = ack(3n, 2);
  step(makeMessage(MessageType.Heartbeat, 1n, { from: 2n, term: raw.raft.term + 1 }));
  t.equal(raw.raft.state, StateType.Follower);
  t.notOk(canRest(raw, { ...of, term: raw.raft.term }));
});
