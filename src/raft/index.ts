// The public face of the consensus core: what the replica loop, the log storage, the peer
// transport, the simulator and the tests use. Everything else in src/raft is private to it.

export { RaftAssertionError, RaftPanicError } from './base/assert.js';
export type { RaftErrorCode, RaftStorageErrorCode } from './base/errors.js';
export { RaftError, RaftStorageError } from './base/errors.js';
export * from './base/types.js';
export { ConfChangeError } from './confchange/changer.js';
export type { Config } from './core/config.js';
export type { BasicStatus, Peer, Status } from './core/raw-node.js';
export { RawNode } from './core/raw-node.js';
export { MemoryStorage } from './log/memory-storage.js';
export type { TrackerConfig } from './tracker/config.js';
export { configText, confStateOf } from './tracker/config.js';
export { Progress, ProgressState, progressStateName } from './tracker/progress.js';
export { checkPeerMessage } from './wire/check.js';
export {
  asConfChangeV2,
  confChangeOfEntry,
  decodeConfChange,
  decodeConfChangeV2,
  encodeConfChange,
  encodeConfChangeV2,
} from './wire/codec.js';
export {
  emptyConfState,
  emptyHardState,
  emptySnapshot,
  entriesSize,
  entrySize,
  hardStatesEqual,
  isEmptyHardState,
  isLocalMessage,
  isResponseMessage,
  isStorageThread,
  limitSize,
  makeEntry,
  makeMessage,
  payloadsSize,
} from './wire/messages.js';
export {
  changeTypeName,
  confChangeText,
  entryTypeName,
  messageTypeName,
  messageTypeOf,
  quote,
  stateName,
} from './wire/text.js';
