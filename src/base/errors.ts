// The one error class of the TypeScript side, with a stable code per meaning, and the table that
// maps a meaning to its gRPC status and exact text.
//
// The table comes from the addon (native/base/errors.def); the few meanings that only TypeScript
// knows stand below. Callers branch on `code`, never on a text. `ErrorTable` is the one place where
// a code becomes what goes on the wire.

/** Meanings of native/base/errors.def that TypeScript raises or looks at itself. */
export type SharedErrorCode =
  | 'InvalidClientApiVersion'
  | 'Unmarshal'
  | 'LeaseNotFound'
  | 'NotPrimaryLessor'
  | 'WatchCanceled'
  | 'MemberExists'
  | 'PeerUrlExists'
  | 'NotEnoughStartedMembers'
  | 'BadMemberUrls'
  | 'MemberNotFound'
  | 'MemberNotLearner'
  | 'LearnerNotReady'
  | 'TooManyLearners'
  | 'ClusterIdMismatch'
  | 'Unhealthy'
  | 'BadLeaderTransferee'
  | 'NotSupportedForLearner'
  | 'RequestTooLarge'
  | 'RootUserNotExist'
  | 'RootRoleNotExist'
  | 'UserExists'
  | 'UserEmpty'
  | 'UserNotFound'
  | 'RoleExists'
  | 'RoleNotFound'
  | 'RoleEmpty'
  | 'AuthFailed'
  | 'PermissionNotGiven'
  | 'PermissionDenied'
  | 'RoleNotGranted'
  | 'PermissionNotGranted'
  | 'AuthNotEnabled'
  | 'InvalidAuthToken'
  | 'InvalidAuthManagement'
  | 'AuthOldRevision'
  | 'NoPasswordUser'
  | 'VerifyOnly'
  | 'PasswordTooLong'
  | 'TooManyRequests'
  | 'ProposalDropped'
  | 'NoLeader'
  | 'NotLeader'
  | 'LeaderChanged'
  | 'NotCapable'
  | 'Stopped'
  | 'Timeout'
  | 'TimeoutLeaderFailure'
  | 'TimeoutConnectionLost'
  | 'TimeoutWaitApplied'
  | 'LeaderTransferTimeout'
  | 'Canceled'
  | 'ContextCanceled'
  | 'DeadlineExceeded'
  | 'DowngradeVersionFormat'
  | 'DowngradeVersion'
  | 'ClusterVersionNotFound'
  | 'DowngradeInProcess'
  | 'UnknownMethod'
  | 'Internal';

/** Meanings without a native counterpart. */
export type LocalErrorCode =
  | 'UnknownHealthService'
  | 'UnknownService'
  | 'UnknownServiceMethod'
  | 'MalformedMethodName'
  | 'MessageTooLarge'
  | 'NotImplemented'
  | 'OverLimit'
  | 'MissingMessage'
  /** Only a text, which stands in the error's detail. */
  | 'Unknown';

export type ErrorCode = SharedErrorCode | LocalErrorCode;

export interface StatusRow {
  readonly name: string;
  readonly grpc: number;
  readonly text: string;
}

/** What goes on the wire: a gRPC status code and its message. */
export interface WireStatus {
  readonly code: number;
  readonly text: string;
}

const localRows: readonly (StatusRow & { name: LocalErrorCode })[] = [
  { name: 'UnknownHealthService', grpc: 5, text: 'unknown service' },
  { name: 'UnknownService', grpc: 12, text: 'unknown service' },
  { name: 'UnknownServiceMethod', grpc: 12, text: 'unknown method' },
  { name: 'MalformedMethodName', grpc: 12, text: 'malformed method name' },
  { name: 'MessageTooLarge', grpc: 8, text: 'grpc: received message larger than max' },
  { name: 'NotImplemented', grpc: 12, text: 'unknown to this version of MetaStore' },
  { name: 'OverLimit', grpc: 8, text: 'etcdserver: too many requests' },
  { name: 'MissingMessage', grpc: 2, text: 'EOF' },
  { name: 'Unknown', grpc: 2, text: 'unknown' },
];

/**
 * An error with a meaning. `code` is a name of the error table (a native refusal may carry any of
 * its names). `detail`, where given, replaces the table's text: for the meanings whose text names
 * the offender.
 */
export class MetaStoreError extends Error {
  override readonly name = 'MetaStoreError';
  readonly code: string;
  readonly detail: string | null;

  private constructor(code: string, detail: string | null) {
    super(detail ?? code);
    this.code = code;
    this.detail = detail;
  }

  static of(code: ErrorCode, detail: string | null = null): MetaStoreError {
    return new MetaStoreError(code, detail);
  }

  /** For names that come out of the native table. */
  static named(code: string): MetaStoreError {
    return new MetaStoreError(code, null);
  }
}

/** gRPC's number for errors that have no meaning of their own. */
const UNKNOWN = 2;

/** The error table of one process: native rows by position, all rows by name. */
export class ErrorTable {
  readonly #rows: readonly StatusRow[];
  readonly #byName = new Map<string, StatusRow>();
  readonly #position = new Map<string, number>();

  /** @param nativeRows the addon's table; the position of a row is its code */
  constructor(nativeRows: readonly StatusRow[]) {
    this.#rows = nativeRows;
    nativeRows.forEach((row, position) => {
      this.#byName.set(row.name, row);
      this.#position.set(row.name, position);
    });
    for (const row of localRows) {
      this.#byName.set(row.name, row);
    }
  }

  /** The error for a native code > 0. An unknown number is a bug of the border, and says so. */
  fromCode(code: number): MetaStoreError {
    const row = this.#rows[code];
    return row === undefined || code === 0
      ? MetaStoreError.of('Internal', `internal error: native code ${code}`)
      : MetaStoreError.named(row.name);
  }

  /** The native code of a meaning, to be handed to native calls that end requests. */
  codeOf(name: SharedErrorCode): number {
    const position = this.#position.get(name);
    if (position === undefined) {
      throw new Error(`the native error table has no row ${name}`);
    }
    return position;
  }

  /** The native code of why a caller is refused; 0 for null. */
  refusalCode(refusal: MetaStoreError | null): number {
    return refusal === null ? 0 : (this.#position.get(refusal.code) ?? this.codeOf('Internal'));
  }

  /**
   * Status of anything that was thrown. Errors without a meaning become Unknown with their text.
   */
  status(error: unknown): WireStatus {
    if (!(error instanceof MetaStoreError)) {
      return { code: UNKNOWN, text: error instanceof Error ? error.message : String(error) };
    }
    const row = this.#byName.get(error.code);
    if (row === undefined) {
      return { code: UNKNOWN, text: error.message };
    }
    return { code: row.grpc, text: error.detail ?? row.text };
  }
}
