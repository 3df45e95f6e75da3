// The Watch service of a real process over gRPC, on both engines: creation, events live and from
// history, cancelling, progress, compaction, and clients that do not read.

import t from 'tap';

import type { WatchEvent } from '../../../src/base/proto/kv-messages.js';
import { bytes, EtcdClient, prefixEnd } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

function texts(events: readonly WatchEvent[]): string[] {
  return events.map(({ type, kv }) => `${type === 0 ? 'PUT' : 'DELETE'} ${kv?.key}=${kv?.value}`);
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(engine, async (t) => {
    const member = await MemberProcess.start({ engine });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });
    const under = (prefix: string) => ({ key: bytes(prefix), range_end: prefixEnd(prefix) });

    t.test('events as they happen', async (t) => {
      const watch = client.watch();
      watch.create({ ...under('l/'), prev_kv: true });
      const created = await watch.next();
      t.match(created, { created: true, canceled: false, watch_id: 0n, events: [] });
      await client.put('l/a', '1');
      await client.put('other', 'x');
      await client.put('l/a', '2');
      await client.deleteRange({ key: bytes('l/a') });
      const events = await watch.events(3);
      t.same(texts(events), ['PUT l/a=1', 'PUT l/a=2', 'DELETE l/a=']);
      t.equal(events[0]?.prev_kv, null);
      t.equal(events[1]?.prev_kv?.value.toString(), '1');
      t.equal(events[2]?.prev_kv?.value.toString(), '2');
      t.match(events[2]?.kv, { create_revision: 0n, version: 0n });
      watch.cancel();
    });

    t.test('events of the past, then of the present, each once', async (t) => {
      const first = (await client.put('h/0', '')).header?.revision ?? 0n;
      for (let i = 1; i < 50; i++) {
        await client.put(`h/${i}`, '');
      }
      const watch = client.watch();
      watch.create({ ...under('h/'), start_revision: first + 10n });
      t.equal((await watch.next()).created, true);
      await client.put('h/50', '');
      const events = await watch.events(41);
      t.same(
        events.map((event) => event.kv?.key.toString()),
        Array.from({ length: 41 }, (_, i) => `h/${i + 10}`),
      );
      watch.cancel();
    });

    t.test('a start in the future is silent until then', async (t) => {
      const now = (await client.put('f', '0')).header?.revision ?? 0n;
      const watch = client.watch();
      watch.create({ key: bytes('f'), start_revision: now + 2n });
      t.equal((await watch.next()).created, true);
      await client.put('f', '1');
      await client.put('f', '2');
      t.same(texts(await watch.events(1)), ['PUT f=2']);
      watch.cancel();
    });

    t.test('a start that is compacted', async (t) => {
      for (let i = 0; i < 4; i++) {
        await client.put('c', `${i}`);
      }
      const now = (await client.put('c', 'last')).header?.revision ?? 0n;
      await client.compact(now);
      const watch = client.watch();
      watch.create({ key: bytes('c'), start_revision: now - 2n });
      t.match(await watch.next(), { created: true, canceled: false });
      const canceled = await watch.next();
      t.match(canceled, { canceled: true, compact_revision: now, cancel_reason: '' });
      t.equal(canceled.header?.revision, 0n);
      watch.create({ key: bytes('c'), start_revision: now });
      t.match(await watch.next(), { created: true });
      t.same(texts(await watch.events(1)), ['PUT c=last'], 'the compacted revision is served');
      watch.create({ key: bytes('c'), start_revision: -1n });
      t.match(await watch.next(), {
        created: true,
        canceled: true,
        watch_id: -1n,
        cancel_reason: 'etcdserver: mvcc: required revision has been compacted',
      });
      watch.cancel();
    });

    t.test('several watchers on a stream, ids, cancelling', async (t) => {
      const watch = client.watch();
      watch.create({ key: bytes('i/a'), watch_id: 7n });
      t.equal((await watch.next()).watch_id, 7n);
      watch.create({ key: bytes('i/b') });
      const second = (await watch.next()).watch_id;
      t.not(second, 7n);
      watch.create({ key: bytes('i/c'), watch_id: 7n });
      t.match(await watch.next(), {
        created: true,
        canceled: true,
        watch_id: -1n,
        cancel_reason: 'mvcc: duplicate watch ID provided on the WatchStream',
      });
      watch.create({ key: bytes('b'), range_end: bytes('a') });
      t.match(await watch.next(), { cancel_reason: 'mvcc: watcher range is empty' });
      watch.send({ cancel_request: { watch_id: 7n } });
      t.match(await watch.next(), { watch_id: 7n, canceled: true });
      watch.send({ cancel_request: { watch_id: 1000n } });
      await client.put('i/a', 'x');
      await client.put('i/b', 'x');
      const response = await watch.next();
      t.equal(response.watch_id, second);
      t.same(texts(response.events), ['PUT i/b=x']);
      watch.cancel();
    });

    t.test('progress on request, filters', async (t) => {
      const watch = client.watch();
      watch.create({ ...under('p/'), filters: [0] });
      t.equal((await watch.next()).created, true);
      await client.put('p/a', '1');
      await client.deleteRange({ key: bytes('p/a') });
      t.same(texts(await watch.events(1)), ['DELETE p/a=']);
      const now = (await client.put('q', '')).header?.revision ?? 0n;
      // Watchers hear of a write at about the time that its writer does, which may be after it.
      await waitFor('progress', async () => {
        watch.send({ progress_request: {} });
        const progress = await watch.next();
        t.match(progress, { watch_id: -1n, events: [] });
        const revision = progress.header?.revision ?? 0n;
        t.ok(revision <= now, 'never ahead');
        return revision === now;
      });
      watch.cancel();
    });

    t.test('half-close leaves the watchers, cancelling the call ends them', async (t) => {
      const watch = client.watch();
      watch.create({ key: bytes('half') });
      await watch.next();
      watch.stream.end();
      await sleep(50);
      await client.put('half', '1');
      t.same(texts(await watch.events(1)), ['PUT half=1']);
      watch.cancel();
      t.equal((await watch.stream.ended).code, 1);
    });

    t.test('a client that does not read holds up nobody and misses nothing', async (t) => {
      const slow = client.watch();
      slow.create(under('s/'));
      await slow.next();
      slow.stream.pause();
      const value = Buffer.alloc(100_000, 7) as unknown as Uint8Array;
      const count = 200;
      for (let i = 0; i < count; i++) {
        await client.put(`s/${i % 10}`, value);
      }
      const before = await client.status();
      t.ok(before.dbSize > 0n, 'the server answers others meanwhile');
      slow.stream.resume();
      const events = await slow.events(count, 30_000);
      t.equal(events.length, count);
      const revisions = events.map((event) => event.kv?.mod_revision ?? 0n);
      t.ok(revisions.every((revision, i) => i === 0 || revision === (revisions[i - 1] ?? 0n) + 1n));
      slow.cancel();
    });

    t.test('garbage on the stream ends it with an error', async (t) => {
      const watch = client.watch();
      watch.stream.send(Buffer.from([0x0a, 0xff]));
      t.match(await watch.stream.ended, {
        code: 13,
        details: /^grpc: error unmarshalling request: /,
      });
    });

    t.test('nothing is left of streams that have ended', async (t) => {
      const gone = await waitFor('the streams', async () => {
        const metrics = await (await fetch(`http://${member.endpoint}/metrics`)).text();
        return /^etcd_debugging_mvcc_watch_stream_total 0$/m.test(metrics);
      });
      t.ok(gone);
    });

    t.test('a stop ends streams at once', async (t) => {
      const watch = client.watch();
      watch.create({ key: bytes('stop') });
      await watch.next();
      const since = performance.now();
      await member.stop();
      // Its grace would be seven seconds.
      t.ok(performance.now() - since < 4000);
      t.equal((await watch.stream.ended).code, 14);
      await member.restart();
    });

    t.test('periodic progress notifications are configured by flag', async (t) => {
      await member.stop();
      await member.restart(['--watch-progress-notify-interval=100ms']);
      const again = new EtcdClient(member.endpoint);
      const watch = again.watch();
      watch.create({ key: bytes('idle'), progress_notify: true });
      const created = await watch.next();
      const notified = await watch.next(5000);
      t.match(notified, { watch_id: created.watch_id, events: [], created: false });
      t.ok((notified.header?.revision ?? 0n) > 0n);
      again.close();
    });
  });
}
