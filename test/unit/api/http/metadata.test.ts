// What of the headers of a request becomes metadata of its call, how much time the call has, and
// how it ends.

import t from 'tap';

import { GatewayCall } from '../../../../src/api/http/gateway/context.js';
import { callHeaders, parseTimeout } from '../../../../src/api/http/gateway/metadata.js';
import { handshakeAuthorization } from '../../../../src/api/http/gateway/websocket.js';

const of = (headers: Record<string, string>) => callHeaders(headers, '10.0.0.1:5000');

t.test('times', async (t) => {
  const table: [string, number | null][] = [
    ['5S', 5000],
    ['+5S', 5000],
    ['-1S', -1000],
    ['2H', 7_200_000],
    ['3M', 180_000],
    ['250m', 250],
    ['1500u', 1.5],
    ['1n', 0.000001],
    ['0S', 0],
    ['9223372036854775807n', 9223372036854.775],
    ['9223372036854775808n', null],
    ['', null],
    ['S', null],
    ['5', null],
    ['5s', null],
    ['1.5S', null],
    ['5 S', null],
    ['5SS', null],
  ];
  for (const [text, ms] of table) t.equal(parseTimeout(text), ms, text);
  t.equal(of({ 'grpc-timeout': '0S' }).timeoutMs, null, 'zero is no limit');
  t.match(of({ 'grpc-timeout': 'x' }).refusal, { code: 3, text: 'invalid grpc-timeout: x' });
});

t.test('metadata', async (t) => {
  const { metadata, refusal } = of({
    host: 'h:1',
    authorization: 'Bearer x',
    accept: 'text/html',
    'user-agent': 'curl',
    'x-other': 'dropped',
    'grpc-metadata-hasleader': 'true',
    'grpc-metadata-raw-bin': 'AP8=',
    'grpc-metadata-\u00e9': 'x',
    cookie: 'caf\u00e9',
    'x-forwarded-for': '1.2.3.4',
  });
  t.equal(refusal, null);
  t.same(Object.fromEntries(metadata), {
    authorization: 'Bearer x',
    'grpcgateway-authorization': 'Bearer x',
    'grpcgateway-accept': 'text/html',
    'grpcgateway-user-agent': 'curl',
    hasleader: 'true',
    'raw-bin': '\u0000\u00ff',
    'x-forwarded-host': 'h:1',
    'x-forwarded-for': '1.2.3.4, 10.0.0.1',
  });
  const both = of({ authorization: 'a', 'grpc-metadata-authorization': 'b' });
  t.equal(both.metadata.get('authorization'), 'a', 'the plain header wins');
  t.equal(of({ 'grpc-metadata-token': 't' }).metadata.get('token'), 't');
  t.match(of({ 'grpc-metadata-a-bin': '!' }).refusal, { code: 3 });
  t.match(of({ authorization: '\u00e9' }).refusal, { code: 13 });
});

t.test('tokens of a WebSocket handshake', async (t) => {
  const table: [Record<string, string>, string | undefined][] = [
    [{}, undefined],
    [{ 'sec-websocket-protocol': 'Bearer, abc' }, 'Bearer abc'],
    [{ 'sec-websocket-protocol': 'Bearer,abc' }, 'Bearer abc'],
    [{ 'sec-websocket-protocol': 'other' }, ''],
    [{ cookie: 'a=b; token=abc; c=d' }, 'Bearer abc'],
    [{ cookie: 'token="abc"', 'sec-websocket-protocol': 'Bearer, x' }, 'Bearer abc'],
    [{ cookie: 'xtoken=abc' }, undefined],
    [{ authorization: 'abc' }, undefined],
  ];
  for (const [headers, expected] of table) {
    t.equal(handshakeAuthorization(headers), expected, JSON.stringify(headers));
  }
});

t.test('a call ends by its time, its client, or itself', async (t) => {
  const gone = new AbortController();
  const timed = new GatewayCall(of({ 'grpc-timeout': '20m' }), 'p', gone.signal);
  t.notOk(timed.signal.aborted);
  await t.rejects(timed.expired, { code: 'DeadlineExceeded' });
  t.ok(timed.signal.aborted);
  const late = new GatewayCall(of({ 'grpc-timeout': '-1S' }), 'p', gone.signal);
  t.ok(late.signal.aborted, 'at once when there is no time left');
  const left = new GatewayCall(of({}), 'p', gone.signal);
  gone.abort();
  t.ok(left.signal.aborted, 'with the client');
  t.ok(new GatewayCall(of({}), 'p', gone.signal).signal.aborted, 'also when it has gone before');
  const done = new GatewayCall(of({ 'grpc-timeout': '10S' }), 'p', new AbortController().signal);
  done.finish();
  t.ok(done.signal.aborted, 'with the answer');
  t.equal(done.commonName, null);
});
