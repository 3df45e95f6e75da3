// Tests of the log's outputs: sampling, rotated files, the journal's protocol, and what cannot be
// opened. Runs without a server and without the addon.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';

import { noRotationLimits, RotatedFile } from '../../../../src/base/log/rotation.js';
import { Sampler } from '../../../../src/base/log/sampling.js';
import { journalMessage, openSinks } from '../../../../src/base/log/sinks.js';
import { tempDir } from '../../../support/temp-dir.js';

const line = (size: number, fill = 'x') => `${fill.repeat(size - 1)}\n`;
const HALF = 600 * 1024;

t.test('a window of sampling ends after a second', async (t) => {
  let now = 5000;
  const sampler = new Sampler(() => now);
  const admitted = (times: number) =>
    Array.from({ length: times }, () => sampler.admits('info', 'a')).filter(Boolean).length;
  t.equal(admitted(300), 102);
  now += 999;
  t.equal(admitted(100), 1, 'the four hundredth');
  now += 1;
  t.equal(admitted(100), 100);
  const different = Array.from({ length: 5000 }, (_, i) => sampler.admits('info', `line ${i}`));
  t.ok(different.every(Boolean), 'beyond what is told apart, nothing is left out');
});

t.test('a file is set aside before it grows beyond its size', async (t) => {
  const dir = tempDir('rotation');
  const path = join(dir, 'deep', 'server.log');
  const file = new RotatedFile(path, { ...noRotationLimits, maxsize: 1 });
  file.write(line(HALF, 'a'));
  file.write(line(HALF, 'b'));
  file.write('c\n');
  file.close();
  await file.tidied();
  const names = readdirSync(join(dir, 'deep')).sort();
  t.equal(names.length, 2);
  t.match(names[0], /^server-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/);
  t.equal(readFileSync(join(dir, 'deep', names[0] ?? ''), 'utf8'), line(HALF, 'a'));
  t.equal(readFileSync(path, 'utf8'), `${line(HALF, 'b')}c\n`);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const again = new RotatedFile(path, { ...noRotationLimits, maxsize: 1 });
  again.write(line(HALF, 'd'));
  again.close();
  await again.tidied();
  t.equal(readFileSync(path, 'utf8'), line(HALF, 'd'), 'what was there before counts');
  t.equal(readdirSync(join(dir, 'deep')).length, 3);
});

t.test('files set aside are compressed and bounded by number and age', async (t) => {
  const dir = tempDir('rotation');
  const path = join(dir, 'server.log');
  const options = { maxsize: 1, maxage: 2, maxbackups: 3, localtime: false, compress: true };
  const day = 24 * 3600_000;
  let now = Date.parse('2026-01-10T00:00:00Z');
  writeFileSync(join(dir, 'server-2026-01-01T00-00-00.000.log'), 'old');
  writeFileSync(join(dir, 'server-notes.log'), 'of somebody else');
  const file = new RotatedFile(path, options, () => now);
  for (let i = 0; i < 6; i++) {
    file.write(line(HALF, String(i)));
    file.write(line(HALF, String(i)));
    await file.tidied();
    now += day / 10;
  }
  const aside = readdirSync(dir).filter((name) => name.startsWith('server-2026'));
  t.equal(aside.length, 3, aside.join());
  t.ok(
    aside.every((name) => name.endsWith('.log.gz')),
    'all of them compressed',
  );
  const newest = aside.sort().at(-1) ?? '';
  t.equal(gunzipSync(readFileSync(join(dir, newest))).toString(), line(HALF, '5'));
  t.ok(existsSync(join(dir, 'server-notes.log')), 'other files are left alone');
  now += 3 * day;
  file.write(line(HALF, 'z'));
  file.write(line(HALF, 'z'));
  await file.tidied();
  const young = readdirSync(dir).filter((name) => name.startsWith('server-2026'));
  t.equal(young.length, 2, 'only what is younger than two days');
  t.notOk(young.includes(newest));
  file.close();
});

t.test('names of files set aside in one millisecond differ', async (t) => {
  const dir = tempDir('rotation');
  const path = join(dir, 'log');
  const file = new RotatedFile(path, { ...noRotationLimits, maxsize: 1, localtime: true }, () => 5);
  for (let i = 0; i < 5; i++) {
    file.write(line(HALF, String(i)));
  }
  file.close();
  t.equal(readdirSync(dir).length, 5);
});

t.test('the journal gets the line, its priority and who says it', async (t) => {
  const json = '{"level":"warn","msg":"x"}';
  t.equal(
    journalMessage(`${json}\n`).toString(),
    `MESSAGE=${json}\nPRIORITY=4\nSYSLOG_IDENTIFIER=metastore\n`,
  );
  const two = journalMessage('a\nb\n');
  t.equal(two.subarray(0, 8).toString(), 'MESSAGE\n');
  t.equal(two.readBigUInt64LE(8), 3n);
  t.equal(two.subarray(16, 19).toString(), 'a\nb');
  t.match(two.subarray(19).toString(), /^\nPRIORITY=6\n/);
});

t.test('outputs that cannot be opened say why', async (t) => {
  const path = join(tempDir('none'), 'there', 'file');
  t.throws(() => openSinks({ outputs: [path] }), {
    message: `open sink "${path}": open ${path}: no such file or directory`,
  });
  t.throws(() => openSinks({ outputs: [''] }), {
    message: 'open sink "": open : no such file or directory',
  });
  const socket = '/run/systemd/journal/socket';
  t.throws(() => openSinks({ outputs: ['systemd/journal'], sendDatagram: () => 2 }), {
    message: `can't find journal (dial unixgram ${socket}: connect: no such file or directory)`,
  });
});

t.test('a journal that listens gets every line, and /dev/null silences the rest', async (t) => {
  const sent: [string, string][] = [];
  const sendDatagram = (path: string, bytes: Uint8Array) => {
    sent.push([path, Buffer.from(bytes).toString()]);
    return 0;
  };
  const journal = openSinks({ outputs: ['systemd/journal'], sendDatagram });
  journal.write('{"level":"error","msg":"x"}\n');
  t.equal(sent.length, 2);
  t.equal(sent[0]?.[1], '', 'it was looked for first');
  t.equal(sent[1]?.[0], '/run/systemd/journal/socket');
  t.match(sent[1]?.[1], 'PRIORITY=3');
  const path = join(tempDir('null'), 'file');
  const none = openSinks({ outputs: [path, '/dev/null'] });
  none.write('x\n');
  none.close();
  t.notOk(existsSync(path));
});

t.test('an output named twice gets a line once', async (t) => {
  const path = join(tempDir('twice'), 'file');
  const sink = openSinks({ outputs: [path, path] });
  sink.write('x\n');
  sink.close();
  t.equal(readFileSync(path, 'utf8'), 'x\n');
});
