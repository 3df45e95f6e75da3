// Downgrades, alarms, health and defragmentation: the same calls to every server, with the same
// answers. Called by upkeep.test.ts.

import { waitFor } from '../../../support/wait.js';
import { ask, calls, type Message } from '../../support/calls.js';
import type { Scenario, Transcript } from './transcript.js';

const Downgrade = { Validate: 0, Enable: 1, Cancel: 2 };
const Alarm = { Get: 0, Activate: 1, Deactivate: 2 };
const NO_SPACE = 1;
const CORRUPT = 2;

const bytes = (text: string): Buffer => Buffer.from(text);

/** What a status says besides sizes, indexes and identities. */
async function status(transcript: Transcript, label: string): Promise<void> {
  const { code, message } = await ask(transcript.client, calls.status, {});
  const { version, errors, isLearner, storageVersion, dbSizeQuota, downgradeInfo } =
    message ?? ({} as Message);
  const said = { version, isLearner, storageVersion, dbSizeQuota, downgradeInfo };
  // The number of blanks between the fields is not the same in every build of the reference.
  const texts = (errors as string[]).map((text) => text.replace(/\s+/g, ' '));
  // Of several alarms etcd says now this, now that one first.
  transcript.note(`status ${label}`, { code, ...said, errors: texts.sort() });
}

/** Waits until the cluster and its state are at that version. */
async function versionIs(transcript: Transcript, wanted: string): Promise<void> {
  const isThere = async () => {
    const { etcdcluster, storage } = await versions(transcript);
    return etcdcluster === wanted && storage === wanted;
  };
  await waitFor(`version ${wanted}`, isThere, 15_000, 100);
}

async function versions(transcript: Transcript): Promise<Message> {
  const answer = await fetch(`http://${transcript.address}/version`);
  return (await answer.json()) as Message;
}

async function downgrades(transcript: Transcript): Promise<void> {
  const downgrade = (label: string, action: number, version = '') =>
    transcript.call(label, calls.downgrade, { action, version });
  for (const version of ['', '3', 'v3.6', '3.6.0.1', '3.6-rc', '3.5', '3.7', '3.8', '2.6', '4.0']) {
    await downgrade(`validate ${version}`, Downgrade.Validate, version);
  }
  for (const version of ['3.6', '3.6.0', '3.6.17', '3.6.0-rc.1']) {
    await downgrade(`validate ${version}`, Downgrade.Validate, version);
  }
  await downgrade('enable 3.5', Downgrade.Enable, '3.5');
  await downgrade('another action', 3, '3.6');
  await status(transcript, 'before');
  await downgrade('enable', Downgrade.Enable, '3.6.2');
  await downgrade('enable again', Downgrade.Enable, '3.6');
  await downgrade('validate meanwhile', Downgrade.Validate, '3.6');
  await versionIs(transcript, '3.6.0');
  transcript.note('versions', await versions(transcript));
  await status(transcript, 'lowered');
  await downgrade('validate lowered', Downgrade.Validate, '3.6');
  await downgrade('validate one lower', Downgrade.Validate, '3.5');
  await transcript.call('put', calls.put, { key: bytes('a'), value: bytes('b') });
  await downgrade('cancel', Downgrade.Cancel);
  await versionIs(transcript, '3.7.0');
  await downgrade('cancel nothing', Downgrade.Cancel);
  await status(transcript, 'afterwards');
}

async function alarms(transcript: Transcript): Promise<void> {
  const alarm = (label: string, action: number, kind: number, memberID = 0n) =>
    transcript.call(label, calls.alarm, { action, alarm: kind, memberID });
  const attempts = async (label: string) => {
    const put = { key: bytes('k'), value: bytes(label) };
    const { lease } = { lease: { TTL: 60n, ID: 0x123n } };
    await transcript.call(`${label}: put`, calls.put, put);
    await transcript.call(`${label}: grant`, calls.leaseGrant, lease);
    await transcript.call(`${label}: revoke`, calls.leaseRevoke, { ID: 0x123n });
    await transcript.call(`${label}: get`, calls.range, { key: bytes('k') });
    await transcript.call(`${label}: delete`, calls.deleteRange, { key: bytes('none') });
    const success = [{ request_put: put }];
    await transcript.call(`${label}: txn with a put`, calls.txn, { failure: success });
    const deletes = [{ request_delete_range: { key: bytes('none') } }];
    await transcript.call(`${label}: txn that deletes`, calls.txn, { success: deletes });
    const ranges = [{ request_range: { key: bytes('k') } }];
    await transcript.call(`${label}: txn that reads`, calls.txn, { success: ranges });
    // Physical: a hash asked for before the compaction has ended is of the whole state.
    const compaction = { revision: 0n, physical: true };
    await transcript.call(`${label}: compact`, calls.compact, compaction);
    await transcript.call(`${label}: hash`, calls.hashKv, {});
    await transcript.call(`${label}: defragment`, calls.defragment, {});
    await transcript.call(`${label}: members`, calls.memberList, {}).then(() => {
      // Identities differ.
      transcript.lines.pop();
    });
    await status(transcript, label);
  };
  await attempts('no alarm');
  await alarm('no alarm', Alarm.Get, 0);
  await alarm('activate none', Alarm.Activate, 0, 5n);
  await alarm('activate', Alarm.Activate, NO_SPACE, 5n);
  await alarm('activate again', Alarm.Activate, NO_SPACE, 5n);
  await alarm('get another kind', Alarm.Get, CORRUPT);
  await alarm('get of another member', Alarm.Get, NO_SPACE, 77n);
  await attempts('no space');
  await alarm('activate corrupt', Alarm.Activate, CORRUPT, 6n);
  const both = await ask(transcript.client, calls.alarm, { action: Alarm.Get });
  const raised = (both.message?.alarms ?? []) as { memberID: bigint }[];
  // etcd tells them in the order of a map, which is another one at times.
  raised.sort((one, other) => Number(one.memberID - other.memberID));
  transcript.note('get', { code: both.code, alarms: raised });
  await attempts('both');
  await alarm('deactivate another', Alarm.Deactivate, NO_SPACE, 6n);
  await alarm('deactivate', Alarm.Deactivate, NO_SPACE, 5n);
  await attempts('corrupt');
  await alarm('deactivate corrupt', Alarm.Deactivate, CORRUPT, 6n);
  await alarm('deactivate again', Alarm.Deactivate, CORRUPT, 6n);
  await attempts('none again');
}

async function health(transcript: Transcript): Promise<void> {
  await transcript.call('check', calls.healthCheck, {});
  await transcript.call('check of another', calls.healthCheck, { service: 'etcdserverpb.KV' });
  transcript.open('watch', calls.healthWatch, {});
  transcript.open('watch of another', calls.healthWatch, { service: 'other' });
  await waitFor('two answers', () => transcript.said.length === 2);
  transcript.said.sort();
}

export const maintenance: readonly Scenario[] = [
  { name: 'downgrades', run: downgrades },
  { name: 'alarms', run: alarms },
  { name: 'health', run: health },
];
