// `metastore gateway start`: the command line of the TCP gateway and its life until a signal ends
// it. Loaded by main for that subcommand alone.

import { resolveSrv } from 'node:dns/promises';

import type { RootLogger } from '../../base/log/logger.js';
import { loadAddon } from '../../storage/loader.js';
import { parseCommandLine } from '../flags/parser.js';
import { effective, type FlagRow, type FlagValue } from '../flags/row.js';
import { defaultValue, UsageError } from '../flags/values/values.js';
import { notifyReady } from '../life/notify.js';
import { stopOnSignals } from '../life/signals.js';
import { type Place, TcpGateway } from './tcp-gateway.js';

const rows: readonly FlagRow[] = [
  effective('listen-addr', 'string', '127.0.0.1:23790', 'where clients connect'),
  effective('endpoints', 'list', '127.0.0.1:2379', 'members of the cluster'),
  effective('retry-delay', 'duration', '1m0s', 'time until a member that is away is tried again'),
  effective('discovery-srv', 'string', '', 'domain whose DNS SRV records name the members'),
  effective('discovery-srv-name', 'string', '', 'suffix of the service name of SRV records'),
  effective('insecure-discovery', 'bool', 'false', 'take SRV records of members without TLS'),
];

const usage = [
  'Usage:',
  '  metastore gateway start [flags]',
  '',
  'Flags:',
  ...rows.map(({ name, defaultText, help }) => `  --${name} '${defaultText}'\n    ${help}.`),
  '',
].join('\n');

type Values = ReadonlyMap<string, FlagValue>;

/** `host:port`, with a scheme or without; null for anything else. */
export function placeOf(text: string): Place | null {
  const match = /^(?:https?:\/\/)?(?:\[([^\]]+)\]|([^:/[\]]*)):(\d{1,5})\/?$/i.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    return null;
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

/** The members that SRV records for clients name: those with TLS, and the others if wanted. */
async function membersBySrv(values: Values): Promise<Place[]> {
  const domain = String(values.get('discovery-srv'));
  const name = String(values.get('discovery-srv-name'));
  const suffix = name === '' ? '' : `-${name}`;
  const services = [
    `etcd-client-ssl${suffix}`,
    ...(values.get('insecure-discovery') === true ? [`etcd-client${suffix}`] : []),
  ];
  const found: Place[] = [];
  for (const service of services) {
    const records = await resolveSrv(`_${service}._tcp.${domain}`).catch(() => []);
    found.push(...records.map(({ name: host, port }) => ({ host, port })));
  }
  return found;
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

async function endpointsOf(values: Values): Promise<Place[]> {
  if (values.get('discovery-srv') !== '') {
    const found = await membersBySrv(values);
    return found.length > 0 ? found : fail('no endpoints found');
  }
  return (values.get('endpoints') as readonly string[]).map(
    (text) => placeOf(text) ?? fail(`failed to parse endpoint: ${text}`),
  );
}

/** Runs the gateway until a signal ends it. @param args what follows `gateway` */
export async function runGateway(args: readonly string[], log: RootLogger): Promise<void> {
  const isHelp = args.length === 0 || args.includes('--help') || args.includes('-h');
  if (isHelp || args[0] !== 'start') {
    process.stdout.write(usage);
    return;
  }
  let values: Values;
  try {
    const { given } = parseCommandLine(args.slice(1), new Map(rows.map((row) => [row.name, row])));
    values = new Map(rows.map((row) => [row.name, given.get(row.name) ?? defaultValue(row)]));
  } catch (error) {
    if (!(error instanceof UsageError)) {
      throw error;
    }
    fail(`Error: ${error.message}\n${usage}`);
  }
  log.info('Running: ', { args: ['metastore', 'gateway', ...args] });
  const address = String(values.get('listen-addr'));
  const place = placeOf(address) ?? fail(`failed to validate listen address: ${address}`);
  const retryMs = Math.max(100, Number(values.get('retry-delay')));
  const gateway = new TcpGateway(await endpointsOf(values), retryMs, log);
  await gateway.listen(place).catch((error: Error) => fail(error.message));
  notifyReady(process.env.NOTIFY_SOCKET, loadAddon().sendDatagram, log);
  stopOnSignals(log, async () => gateway.close());
}
