// The second isolate: translates what is large between JSON and protobuf, so that the first one,
// which sends heartbeats, never stands still for it. Started by Transcoder.

import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

import type { Ask } from './protocol.js';
import { Work } from './work.js';

/** How much others come first where processors are short; ordinary work has 0, the least 19. */
const NICENESS = 5;

function comeSecond(): void {
  // Linux has priorities by thread, and 0 is the one that asks; elsewhere it is the whole process.
  if (process.platform !== 'linux') {
    return;
  }
  try {
    setPriority(0, NICENESS);
  } catch {
    // Not allowed here: it is quicker than it should be.
  }
}

comeSecond();
const work = new Work();

parentPort?.on('message', (ask: Ask) => {
  const told = work.do(ask);
  if (told !== null) {
    const handed = 'bytes' in told ? [told.bytes.buffer as ArrayBuffer] : [];
    parentPort?.postMessage(told, handed);
  }
});
