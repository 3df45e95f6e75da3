// Tests of src/base/errors.ts against the native error table.
// Runs without a server and without the addon.

import t from 'tap';

import { type ErrorCode, ErrorTable, MetaStoreError } from '../../../src/base/errors.js';
import { nativeErrorRows } from '../../support/fakes/native-errors.js';

const rows = nativeErrorRows();
const table = new ErrorTable(rows);

t.test('every native code becomes its row', async (t) => {
  t.ok(rows.length > 70, 'the table was read');
  t.equal(rows[0]?.name, 'Ok');
  rows.slice(1).forEach((row, i) => {
    const error = table.fromCode(i + 1);
    t.equal(error.code, row.name);
    t.same(table.status(error), { code: row.grpc, text: row.text });
  });
});

t.test('every meaning that TypeScript raises has a row', async (t) => {
  const codes: Record<ErrorCode, true> = {
    InvalidClientApiVersion: true,
    RequestTooLarge: true,
    RootUserNotExist: true,
    RootRoleNotExist: true,
    UserExists: true,
    UserEmpty: true,
    UserNotFound: true,
    RoleExists: true,
    RoleNotFound: true,
    RoleEmpty: true,
    AuthFailed: true,
    PermissionNotGiven: true,
    PermissionDenied: true,
    RoleNotGranted: true,
    PermissionNotGranted: true,
    AuthNotEnabled: true,
    InvalidAuthToken: true,
    InvalidAuthManagement: true,
    AuthOldRevision: true,
    NoPasswordUser: true,
    VerifyOnly: true,
    PasswordTooLong: true,
    Unmarshal: true,
    LeaseNotFound: true,
    NotPrimaryLessor: true,
    WatchCanceled: true,
    MemberExists: true,
    PeerUrlExists: true,
    NotEnoughStartedMembers: true,
    BadMemberUrls: true,
    MemberNotFound: true,
    MemberNotLearner: true,
    LearnerNotReady: true,
    TooManyLearners: true,
    ClusterIdMismatch: true,
    Unhealthy: true,
    BadLeaderTransferee: true,
    NotSupportedForLearner: true,
    TooManyRequests: true,
    ProposalDropped: true,
    NoLeader: true,
    NotLeader: true,
    LeaderChanged: true,
    NotCapable: true,
    Stopped: true,
    Timeout: true,
    TimeoutLeaderFailure: true,
    TimeoutConnectionLost: true,
    TimeoutWaitApplied: true,
    LeaderTransferTimeout: true,
    Canceled: true,
    ContextCanceled: true,
    DeadlineExceeded: true,
    DowngradeVersionFormat: true,
    DowngradeVersion: true,
    ClusterVersionNotFound: true,
    DowngradeInProcess: true,
    UnknownMethod: true,
    Internal: true,
    UnknownHealthService: true,
    UnknownService: true,
    UnknownServiceMethod: true,
    MalformedMethodName: true,
    MessageTooLarge: true,
    NotImplemented: true,
    OverLimit: true,
    MissingMessage: true,
    Unknown: true,
  };
  for (const code of Object.keys(codes) as ErrorCode[]) {
    const status = table.status(MetaStoreError.of(code));
    t.not(status.text, code, `${code} has a text of its own`);
    t.ok(status.code > 0, code);
  }
});

t.test('a detail replaces the text and keeps the status', async (t) => {
  const status = table.status(MetaStoreError.of('UnknownService', 'unknown service x.Y'));
  t.same(status, { code: 12, text: 'unknown service x.Y' });
});

t.test('errors without a meaning are Unknown with their text', async (t) => {
  t.same(table.status(new Error('boo')), { code: 2, text: 'boo' });
  t.same(table.status('text'), { code: 2, text: 'text' });
  t.same(table.status(table.fromCode(60_000)).code, 2);
  t.match(table.fromCode(60_000).message, /60000/);
});

t.test('names become native codes', async (t) => {
  t.equal(rows[table.codeOf('Stopped')]?.name, 'Stopped');
  t.equal(rows[table.codeOf('Timeout')]?.name, 'Timeout');
});
