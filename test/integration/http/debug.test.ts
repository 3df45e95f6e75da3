// What a server says of itself to whoever looks for trouble: /debug/vars always and without
// secrets, /debug/requests at log level debug, profiles with --enable-pprof.

import t from 'tap';

import { base64, startSubject } from './support.js';

t.setTimeout(120_000);

t.test('without any flag', async (t) => {
  const subject = await startSubject(t, 'memory');
  const vars = await subject.fetch('/debug/vars');
  t.equal(vars.headers.get('content-type'), 'application/json; charset=utf-8');
  const { cmdline, memstats, file_descriptor_limit: files, 'raft.status': raft } = vars.json();
  t.ok((cmdline as string[]).some((word) => word.startsWith('--data-dir=')));
  t.match(memstats, { HeapAlloc: Number, Sys: Number });
  t.ok(Number(files) > 0);
  t.match(raft, { raftState: 'StateLeader', term: 2 });
  for (const path of ['/debug/pprof', '/debug/pprof/cmdline', '/debug/requests', '/debug/events']) {
    t.equal((await subject.fetch(path)).status, 404, path);
  }
});

t.test('--enable-pprof', async (t) => {
  const subject = await startSubject(t, 'memory', ['--enable-pprof']);
  const index = await subject.fetch('/debug/pprof');
  t.equal(index.status, 200, 'a redirect to the list');
  t.match(index.text, /href="profile"/);
  t.match((await subject.fetch('/debug/pprof/cmdline')).text, /main\.js\0--name=m1/);
  t.match((await subject.fetch('/debug/pprof/goroutine')).text, /\d+ TCP/);
  t.match((await subject.fetch('/debug/pprof/threadcreate')).text, /\d+ \w+/);
  t.equal((await subject.fetch('/debug/pprof/symbol')).text, 'num_symbols: 0\n');
  t.equal((await subject.fetch('/debug/pprof/nosuch')).status, 404);
  t.equal((await subject.fetch('/debug/pprof/profile?seconds=0')).status, 400);
  t.equal((await subject.fetch('/debug/pprof/profile?seconds=x')).status, 400);
  t.comment('one profile at a time, with others served meanwhile');
  const first = subject.fetch('/debug/pprof/profile?seconds=1');
  await subject.post('kv/put', { key: base64('k'), value: base64('v') });
  const second = await subject.fetch('/debug/pprof/allocs?seconds=1');
  t.same([second.status, second.text], [500, 'a profile is being taken already\n']);
  const profile = (await first).json() as { nodes: object[]; samples: number[] };
  t.ok(profile.nodes.length > 3 && profile.samples.length > 0);
  const allocs = (await subject.fetch('/debug/pprof/allocs?seconds=0.2')).json();
  t.match(allocs, { head: { callFrame: { functionName: '(root)' } } });
  const trace = (await subject.fetch('/debug/pprof/trace?seconds=0.2')).json();
  t.ok(Array.isArray(trace.traceEvents));
  t.match((await subject.fetch('/debug/pprof/block?seconds=0.2')).text, /p99 \d/);
  const heap = (await subject.fetch('/debug/pprof/heap')).json() as { snapshot: object };
  t.ok(heap.snapshot, 'a heap snapshot');
  t.equal((await subject.fetch('/debug/requests')).status, 404);
});

t.test('log level debug', async (t) => {
  const subject = await startSubject(t, 'memory', ['--log-level=debug']);
  await subject.post('kv/put', { key: base64('secret key'), value: base64('secret value') });
  await subject.post('kv/put', {});
  const { text } = await subject.fetch('/debug/requests');
  const { done } = JSON.parse(text);
  t.match(done['/etcdserverpb.KV/Put'], [{ code: 0 }, { code: 3 }]);
  t.notMatch(text, new RegExp(`secret|${base64('secret')}`));
  const events = (await subject.fetch('/debug/events')).json();
  t.match(events, { failed: [{ message: 'etcdserver: key is not provided' }] });
  t.equal((await subject.fetch('/debug/pprof/')).status, 200);
});
