// Tests of members found by DNS: which records count, who gets which name, and what is refused.
// The resolvers are doubles.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import { type LookupSrv, membersBySrv } from '../../../../src/cluster/discovery/srv.js';

const addresses: Readonly<Record<string, string>> = {
  'a.example.com': '10.0.0.1',
  'b.example.com': '10.0.0.2',
  'c.example.com': 'fd00::3',
};

const resolve = async (host: string): Promise<string> => {
  const address = addresses[host];
  if (address === undefined) {
    throw new Error(`getaddrinfo ENOTFOUND ${host}`);
  }
  return address;
};

function records(zone: Readonly<Record<string, readonly [string, number][]>>): LookupSrv {
  return async (name) => {
    const found = zone[name];
    if (found === undefined) {
      throw Object.assign(new Error(`querySrv ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    }
    return found.map(([target, port]) => ({ name: target, port }));
  };
}

function ask(
  zone: Readonly<Record<string, readonly [string, number][]>>,
  peerUrls: readonly string[],
  serviceName = '',
) {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => undefined };
  const log = createLogger({ level: 'info', format: 'json', outputs: [] }, sink);
  const self = { name: 'm1', peerUrls };
  const question = { domain: 'example.com', serviceName, self, log, resolve };
  return { lines, found: membersBySrv({ ...question, lookup: records(zone) }) };
}

t.test('others are numbered, the own one is known by its address', async (t) => {
  const { found } = ask(
    {
      '_etcd-server._tcp.example.com': [
        ['b.example.com.', 2380],
        ['a.example.com.', 2380],
        ['c.example.com.', 2380],
      ],
    },
    ['http://10.0.0.1:2380'],
  );
  t.same(await found, [
    { name: '0', peerUrls: ['http://b.example.com:2380'] },
    { name: 'm1', peerUrls: ['http://a.example.com:2380'] },
    { name: '1', peerUrls: ['http://c.example.com:2380'] },
  ]);
});

t.test('both services count, and a port tells members of one host apart', async (t) => {
  const { found } = ask(
    {
      '_etcd-server-ssl-x._tcp.example.com': [['a.example.com', 1]],
      '_etcd-server-x._tcp.example.com': [
        ['a.example.com', 2],
        ['b.example.com', 2],
      ],
    },
    ['https://a.example.com:1', 'http://b.example.com:2'],
    'x',
  );
  t.same(await found, [
    { name: 'm1', peerUrls: ['https://a.example.com:1', 'http://b.example.com:2'] },
    { name: '0', peerUrls: ['http://a.example.com:2'] },
  ]);
});

t.test('names that do not resolve are left out, IP addresses need no resolving', async (t) => {
  const { found, lines } = ask(
    {
      '_etcd-server._tcp.example.com': [
        ['gone.example.com', 1],
        ['10.9.9.9', 2],
      ],
    },
    ['http://10.9.9.9:2', 'unix://socket'],
  );
  t.same(await found, [{ name: 'm1', peerUrls: ['http://10.9.9.9:2'] }]);
  t.match(lines.join(''), /failed to resolve TCP SRV record.*gone\.example\.com:1/);
});

t.test('what is refused', async (t) => {
  await t.rejects(ask({}, ['http://10.0.0.1:2380']).found, {
    message:
      'error setting up initial cluster: error querying DNS SRV records for _etcd-server-ssl ' +
      'lookup _etcd-server-ssl._tcp.example.com: no such host\n' +
      'error querying DNS SRV records for _etcd-server lookup ' +
      '_etcd-server._tcp.example.com: no such host',
  });
  const others = { '_etcd-server._tcp.example.com': [['b.example.com', 2380]] } as const;
  await t.rejects(ask({ ...others, x: [] } as never, ['http://10.0.0.1:2380']).found, {
    message: 'error setting up initial cluster: cannot find local etcd member "m1" in SRV records',
  });
  await t.rejects(ask(others as never, ['https://b.example.com:2380']).found, {
    message: /bootstrap at b\.example\.com:2380 from DNS for example\.com has scheme mismatch/,
  });
});
