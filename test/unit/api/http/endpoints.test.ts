// The small parts of the HTTP side: hosts and origins, paths, percent-encoding, secrets on command
// lines, statuses, probes with what they count.

import t from 'tap';

import { AccessControl, hostName } from '../../../../src/api/http/access-control.js';
import { RequestLog } from '../../../../src/api/http/debug/requests.js';
import { withoutSecrets } from '../../../../src/api/http/debug/vars.js';
import { errorReply, httpStatus, statusJson } from '../../../../src/api/http/gateway/status.js';
import { health } from '../../../../src/api/http/health/health.js';
import { answerProbe, probeOf } from '../../../../src/api/http/health/probes.js';
import type { Checked, HealthParts } from '../../../../src/api/http/health/reads.js';
import { percentDecoded, prefixEnd } from '../../../../src/api/http/kv.js';
import { cleanPath } from '../../../../src/api/http/paths.js';
import type { CallContext } from '../../../../src/base/call.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import type { Logger } from '../../../../src/base/log/logger.js';
import { nobody } from '../../../../src/server/serving/caller.js';

t.test('hosts', async (t) => {
  const table: [string, string][] = [
    ['a.example', 'a.example'],
    ['a.example:80', 'a.example'],
    ['127.0.0.1:2379', '127.0.0.1'],
    ['[::1]:2379', '::1'],
    ['[::1]', '[::1]'],
    ['::1', '::1'],
    ['', ''],
  ];
  for (const [header, host] of table) t.equal(hostName(header), host, header);
  const listed = new AccessControl({ cors: ['*'], hostWhitelist: ['a.example'] });
  t.equal(listed.refuseHost('a.example:1'), null);
  t.match(listed.refuseHost('b.example'), { status: 421, body: /b\.example/ });
  t.match(listed.refuseHost(''), { status: 421 });
  for (const hostWhitelist of [[], ['*'], ['x', '*']]) {
    t.equal(new AccessControl({ cors: [], hostWhitelist }).refuseHost('any'), null);
  }
});

t.test('origins', async (t) => {
  const allowed = (cors: string[], origin?: string) =>
    new AccessControl({ cors, hostWhitelist: [] }).corsHeaders(origin)[
      'access-control-allow-origin'
    ];
  t.equal(allowed(['*']), '*');
  t.equal(allowed([]), '*');
  t.equal(allowed(['*'], 'http://a:1'), '*');
  t.equal(allowed(['http://a:1'], 'http://a:1'), 'http://a:1');
  t.equal(allowed(['http://a:1'], 'http://b:1'), undefined);
  t.equal(allowed(['http://a:1']), undefined);
});

t.test('paths', async (t) => {
  const table: [string, string][] = [
    ['/', '/'],
    ['', '/'],
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['//a///b', '/a/b'],
    ['/a/./b/.', '/a/b/'],
    ['/a/../b', '/b'],
    ['/../..', '/'],
    ['/a/b/..', '/a/'],
    ['//', '/'],
  ];
  for (const [path, clean] of table) t.equal(cleanPath(path), clean, path);
});

t.test('keys in paths', async (t) => {
  t.equal(percentDecoded('a%00%fF/+ %e6%97%a5日').toString('hex'), '6100ff2f2b20e697a5e697a5');
  for (const bad of ['%', '%2', '%zz', 'a%g0']) t.throws(() => percentDecoded(bad), /percent/, bad);
  const end = (hex: string) => prefixEnd(Buffer.from(hex, 'hex')).toString('hex');
  t.equal(end('61'), '62');
  t.equal(end('61ff'), '62');
  t.equal(end('ffff'), '00');
  t.equal(end(''), '00');
});

t.test('no secrets on the command line', async (t) => {
  const words = [
    'node',
    '--discovery-password=hush',
    '-discovery-user=me:hush',
    '--discovery-password',
    'hush',
    '--name=m1',
    '--initial-cluster-token=shown',
  ];
  const shown = withoutSecrets(words).join(' ');
  t.notMatch(shown, /hush/);
  t.match(shown, /--name=m1 --initial-cluster-token=shown/);
});

t.test('statuses', async (t) => {
  const codes = [
    200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
  ];
  for (const [code, status] of codes.entries()) t.equal(httpStatus(code), status, `code ${code}`);
  t.equal(httpStatus(99), 500);
  t.equal(statusJson({ code: 0, text: '' }), '{}');
  t.equal(statusJson({ code: 5, text: 'a"\n' }), '{"code":5,"message":"a\\"\\n"}');
  const refused = errorReply({ code: 16, text: 'bad\r\nX: y' });
  t.match(refused, { status: 401, headers: { 'www-authenticate': 'bad  X: y' } });
});

const silent = { warn: () => undefined, error: () => undefined } as unknown as Logger;

function parts(over: object, seen: Checked[] = []): HealthParts {
  const member = {
    alarms: { list: () => [] },
    leader: 1n,
    isLearner: false,
    errors: new ErrorTable([]),
    execute: async () => Buffer.alloc(0),
    ...over,
  } as unknown as HealthParts['member'];
  return { member, ownCaller: () => nobody, log: silent, observe: (one) => seen.push(one) };
}

const query = (text: string) => new URLSearchParams(text);

t.test('health', async (t) => {
  const ask = async (over: object, text = '') => (await health(parts(over), query(text))).body;
  t.equal(await ask({}), '{"health":"true","reason":""}');
  t.equal(await ask({ leader: 0n }), '{"health":"false","reason":"RAFT NO LEADER"}\n');
  t.equal(await ask({ leader: 0n }, 'serializable=true'), '{"health":"true","reason":""}');
  const alarms = {
    list: () => [
      { memberId: 5n, alarm: 1 },
      { memberId: 5n, alarm: 2 },
    ],
  };
  t.match(await ask({ alarms }), /ALARM NOSPACE/);
  t.match(await ask({ alarms }, 'exclude=NOSPACE'), /ALARM CORRUPT/);
  t.match(await ask({ alarms }, 'exclude=NOSPACE&exclude=CORRUPT'), /true/);
  t.match(await ask({ alarms: { list: () => [{ alarm: 9 }] } }), /ALARM UNKNOWN/);
  const execute = () => Promise.reject(MetaStoreError.of('MessageTooLarge', 'why'));
  t.match(await ask({ execute }), /RANGE ERROR:why/);
});

t.test('probes', async (t) => {
  for (const path of ['/livez', '/readyz', '/readyz/non_learner', '/livez/serializable_read']) {
    t.ok(probeOf(path), path);
  }
  for (const path of [
    '/livez/',
    '/readyz/x',
    '/readyz/non_learner/x',
    '/x',
    '/livez/non_learner',
  ]) {
    t.equal(probeOf(path), null, path);
  }
  const seen: Checked[] = [];
  const ask = async (path: string, over: object, text = '') => {
    const probe = probeOf(path);
    if (probe === null) throw new Error(path);
    return answerProbe(parts(over, seen), probe, query(text));
  };
  t.match(await ask('/readyz', {}), { status: 200, body: 'ok\n' });
  t.equal(seen.length, 4);
  t.ok(seen.every(({ ok, type }) => ok && type === 'readyz'));
  const corrupt = { alarms: { list: () => [{ memberId: 1n, alarm: 2 }] }, isLearner: true };
  const failed = await ask('/readyz', corrupt);
  t.equal(failed.status, 503);
  t.same(String(failed.body).split('\n').sort(), [
    '',
    '',
    '[+]linearizable_read ok',
    '[+]serializable_read ok',
    '[-]data_corruption failed: alarm activated: CORRUPT',
    '[-]non_learner failed: not supported for learner',
  ]);
  const fewer = await ask(
    '/readyz',
    corrupt,
    'exclude=data_corruption&exclude=non_learner&verbose',
  );
  t.match(fewer, { status: 200, body: /^\[\+\]serializable_read ok\n.*\nok\n$/ });
  t.match(await ask('/livez', corrupt), { status: 200 });
});

t.test('calls are noted without what is in them', async (t) => {
  const log = new RequestLog(new ErrorTable([]));
  const context = { peer: '1.2.3.4:5' } as CallContext;
  const table = log.tracked(
    new Map([
      ['/a/ok', { kind: 'unary', handle: async () => Buffer.from('secret') }],
      ['/a/bad', { kind: 'unary', handle: () => Promise.reject(new Error('why')) }],
    ]),
  );
  const call = (path: string) => {
    const handler = table.get(path);
    if (handler?.kind !== 'unary') throw new Error(path);
    return handler.handle(context, Buffer.from('secret'));
  };
  for (let i = 0; i < 30; i += 1) await call('/a/ok');
  await t.rejects(call('/a/bad'), /why/);
  const requests = String(log.requests().body);
  t.notMatch(requests, /secret/);
  const { active, done } = JSON.parse(requests);
  t.same(active, []);
  t.equal(done['/a/ok'].length, 10, 'the last ones');
  t.match(done['/a/bad'], [{ code: 2, message: 'why', peer: '1.2.3.4:5' }]);
  t.match(JSON.parse(String(log.events().body)), { failed: [{ method: '/a/bad' }] });
});
