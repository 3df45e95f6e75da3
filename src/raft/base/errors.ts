// The errors that the consensus core reports to its caller, one class per origin with a stable
// code per meaning. Callers branch on `code`, never on the text; the texts are the ones that
// operators know from the logs of this protocol's common implementation.

export type RaftErrorCode =
  | 'proposal-dropped'
  | 'step-local-message'
  | 'step-peer-not-found'
  | 'invalid-message'
  | 'invalid-conf-change'
  | 'invalid-bootstrap';

const raftErrorTexts: Record<RaftErrorCode, string> = {
  'proposal-dropped': 'raft proposal dropped',
  'step-local-message': 'raft: cannot step raft local message',
  'step-peer-not-found': 'raft: cannot step as peer not found',
  'invalid-message': 'raft: malformed message',
  'invalid-conf-change': 'raft: malformed configuration change',
  'invalid-bootstrap': 'raft: invalid bootstrap',
};

/** A refusal by the state machine; its state is unchanged. */
export class RaftError extends Error {
  override readonly name = 'RaftError';
  readonly code: RaftErrorCode;

  /** @param text replaces the code's ordinary text, where the case has a more exact one */
  constructor(code: RaftErrorCode, text?: string) {
    super(text ?? raftErrorTexts[code]);
    this.code = code;
  }
}

export type RaftStorageErrorCode =
  | 'compacted'
  | 'unavailable'
  | 'snapshot-out-of-date'
  | 'snapshot-temporarily-unavailable';

const storageErrorTexts: Record<RaftStorageErrorCode, string> = {
  compacted: 'requested index is unavailable due to compaction',
  unavailable: 'requested entry at index is unavailable',
  'snapshot-out-of-date': 'requested index is older than the existing snapshot',
  'snapshot-temporarily-unavailable': 'snapshot is temporarily unavailable',
};

/** What a `Storage` throws; any other exception from it passes through the core unchanged. */
export class RaftStorageError extends Error {
  override readonly name = 'RaftStorageError';
  readonly code: RaftStorageErrorCode;

  constructor(code: RaftStorageErrorCode) {
    super(storageErrorTexts[code]);
    this.code = code;
  }
}
