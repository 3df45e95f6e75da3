// For how long the log waits for a member that was sent a snapshot: through the transfer, through
// an installation of any length, and until it follows; but not for ever, and not for the
// unreachable.

import t from 'tap';

import { ProgressState } from '../../../../../src/raft/index.js';
import { LogHold } from '../../../../../src/server/replica/disk/log-hold.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';

function made() {
  const clock = new ManualClock();
  const follower = { recentActive: true, state: ProgressState.Probe as ProgressState };
  const seen = { transfers: 0, follower };
  const hold = new LogHold(
    { activeTransfers: () => seen.transfers, progress: () => [seen.follower] },
    clock,
  );
  /** Ticks through a time and says whether the log was held at its end. */
  const after = (seconds: number): boolean => {
    for (let i = 0; i < seconds * 10; i += 1) {
      clock.advance(100);
      hold.isHeld();
    }
    return hold.isHeld();
  };
  return { seen, follower, hold, after };
}

t.test('nobody was sent anything: not held, whatever the others do', async (t) => {
  const { hold, after } = made();
  t.notOk(hold.isHeld());
  t.notOk(after(5));
});

t.test(
  'reproduces: an installation that takes longer than the grace after a transfer',
  async (t) => {
    const { seen, follower, after } = made();
    seen.transfers = 1;
    t.ok(after(60), 'during the transfer');
    seen.transfers = 0;
    t.ok(after(120), 'while the member installs it');
    follower.state = ProgressState.Replicate;
    t.ok(after(29), 'while it takes what has come since');
    t.notOk(after(2));
  },
);

t.test('a member that went away is not waited for', async (t) => {
  const { seen, follower, after } = made();
  seen.transfers = 1;
  after(1);
  seen.transfers = 0;
  follower.recentActive = false;
  t.ok(after(29));
  t.notOk(after(2));
});

t.test('a member that never follows is given up', async (t) => {
  const { seen, after } = made();
  seen.transfers = 1;
  after(1);
  seen.transfers = 0;
  t.ok(after(14 * 60));
  t.notOk(after(2 * 60));
});
