// Tests of src/base/log/logger.ts: the form of the lines, which tools read.
// Runs without a server and without the addon.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { createLogger, formatTimestamp, type LogLevel } from '../../../../src/base/log/logger.js';
import { tempDir } from '../../../support/temp-dir.js';

function capture(format: 'json' | 'console', level: LogLevel = 'info') {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => undefined };
  return { lines, log: createLogger({ level, format, outputs: [] }, sink) };
}

t.test('a line is one JSON object with its keys in the documented order', async (t) => {
  const { lines, log } = capture('json');
  log.info('hello', { b: 1, a: 'x', id: 2n ** 64n - 1n, error: new Error('broken') });
  t.equal(lines.length, 1);
  const line = lines[0] ?? '';
  t.ok(line.endsWith('}\n'));
  const parsed = JSON.parse(line) as Record<string, unknown>;
  t.same(Object.keys(parsed), ['level', 'ts', 'caller', 'msg', 'b', 'a', 'id', 'error']);
  t.equal(parsed.level, 'info');
  t.match(parsed.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[-+]\d{4})$/);
  t.match(parsed.caller, /^log\/logger\.test\.js:\d+$/);
  t.equal(parsed.id, '18446744073709551615');
  t.equal(parsed.error, 'broken');
});

t.test('named loggers carry their name before the caller', async (t) => {
  const { lines, log } = capture('json');
  log.child('raft').warn('text');
  const parsed = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  t.same(Object.keys(parsed), ['level', 'ts', 'logger', 'caller', 'msg']);
  t.equal(parsed.logger, 'raft');
});

t.test('the level can be changed while in use, for children too', async (t) => {
  const { lines, log } = capture('json', 'warn');
  const child = log.child('x');
  log.info('no');
  child.info('no');
  t.equal(log.enabled('info'), false);
  log.setLevel('debug');
  log.debug('yes');
  child.debug('yes');
  t.equal(lines.length, 2);
  log.setLevel('fatal');
  log.error('no');
  log.fatal('yes');
  t.equal(lines.length, 3);
});

t.test('a field may be called as one of the fixed keys without breaking the line', async (t) => {
  const { lines, log } = capture('json');
  log.info('text', { text: 'a "quoted"\nvalue', empty: null, list: [1, 2] });
  t.match(JSON.parse(lines[0] ?? ''), { text: 'a "quoted"\nvalue', empty: null, list: [1, 2] });
});

t.test('console lines are separated by tabs', async (t) => {
  const { lines, log } = capture('console');
  log.info('hello', { a: 1 });
  log.child('raft').info('plain');
  t.match(lines[0], /^\S+\tinfo\tlog\/logger\.test\.js:\d+\thello\t\{"a":1\}\n$/);
  t.match(lines[1], /^\S+\tinfo\traft\t\S+\tplain\n$/);
});

t.test('outputs are files as well, and several', async (t) => {
  const folder = tempDir('log');
  const files = [join(folder, 'a.log'), join(folder, 'b.log')];
  const log = createLogger({ level: 'info', format: 'json', outputs: files });
  log.info('one');
  log.info('two');
  log.close();
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    t.equal(text.trimEnd().split('\n').length, 2);
  }
});

t.test('time stamps have six digits', async (t) => {
  const noon = Date.UTC(2026, 0, 2, 12, 0, 0);
  t.match(formatTimestamp(noon + 7.0625), /\.007062(Z|[-+]\d{4})$/);
  t.match(formatTimestamp(noon), /\.000000(Z|[-+]\d{4})$/);
});

t.test('from error on a line says how it came to it', async (t) => {
  const { lines, log } = capture('json');
  log.warn('a');
  log.error('b');
  log.fatal('c');
  const [warn, error, fatal] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.notOk('stacktrace' in (warn ?? {}));
  for (const parsed of [error, fatal]) {
    t.match(parsed?.stacktrace, /logger\.test\.js:\d+:\d+/);
    t.notMatch(parsed?.stacktrace, /logger\.js/, 'without the log itself');
  }
});

t.test('equal lines are written a hundred times a second, then each hundredth', async (t) => {
  const { lines, log } = capture('json');
  const child = log.child('other');
  for (let i = 0; i < 250; i++) {
    (i % 2 === 0 ? log : child).info('again', { i });
  }
  t.equal(lines.length, 101);
  log.warn('again');
  log.info('something else');
  t.equal(lines.length, 103, 'another level or message is not the same line');
  for (let i = 0; i < 150; i++) {
    log.error('grave');
  }
  t.equal(lines.length, 253, 'errors are never left out');
});

t.test('no field can break a line or hide what stands in each', async (t) => {
  const { lines, log } = capture('json');
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  log.info('round', { circle });
  log.info('fixed', { level: 'fatal', msg: 'other', ts: 1, nested: { id: 2n ** 63n } });
  const [round, fixed] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(round, { level: 'info', msg: 'round', 'fields-lost': /circular/ });
  t.match(fixed, { level: 'info', msg: 'fixed', nested: { id: '9223372036854775808' } });
  t.equal(lines[1]?.match(/"level"/g)?.length, 1);
});
