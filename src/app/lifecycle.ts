// From configuration to a serving process and back: what is logged at which point, what a failure
// to start says and how a signal ends it all. Exit statuses: 1 for a start that failed, the signal
// itself after a stop by signal (0 as the first process of a container).

import { readdirSync } from 'node:fs';
import type { RootLogger } from '../base/log/logger.js';
import { ETCD_VERSION, packageVersion } from '../base/package.js';
import { DiscoveryError } from '../cluster/discovery/registry.js';
import { START_RECORD } from '../server/bootstrap/directory.js';
import { FORCE_NOTE } from '../server/bootstrap/force-new.js';
import { compose, type Server } from './compose.js';
import type { ServerConfig } from './config/config.js';
import { ListenError } from './listen/ports.js';
import { bannerText } from './text/banner.js';

type StopSignal = 'SIGINT' | 'SIGTERM';

const signalNames: Readonly<Record<StopSignal, string>> = {
  SIGINT: 'interrupt',
  SIGTERM: 'terminated',
};

/** What to do about a directory that cannot be opened, by the code of the refusal. */
const advice: Readonly<Record<string, string>> = {
  Locked: 'end the other process, or choose another --data-dir',
  Damaged: 'restore this member from a snapshot, or remove its data and add it as a new member',
  WrongFormat: 'start with the engine and the flags that the directory was made with',
  Io: 'see that the directory exists, is writable and has space left',
};

function failStart(log: RootLogger, config: ServerConfig, error: unknown): never {
  const { code = '', message } = error as { code?: string; message: string };
  if (error instanceof ListenError) {
    log.error(`creating ${error.side} listener failed`, { error: message });
  } else {
    log.error('bootstrap failed', { error: message, 'data-dir': config.dataDir });
  }
  if (error instanceof DiscoveryError) {
    log.warn('failed to bootstrap; discovery token was already used', { error: message });
    log.warn('do not reuse discovery token; generate a new one to bootstrap a cluster');
    process.exit(1);
  }
  const hint = advice[code];
  log.fatal('discovery failed', {
    error: message,
    'data-dir': config.dataDir,
    ...(hint === undefined ? {} : { advice: hint }),
  });
  process.exit(1);
}

/** What a server puts into its data directory. */
const ownNames = new Set(['member', 'fixtures', START_RECORD, FORCE_NOTE]);

/** Looks at what lies in the data directory besides this server's own. */
function inspectDataDir(log: RootLogger, dataDir: string): void {
  let names: string[];
  try {
    names = readdirSync(dataDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    log.fatal('failed to list data directory', { dir: dataDir, error });
    process.exit(1);
  }
  if (names.includes('member') && names.includes('proxy')) {
    log.fatal('invalid datadir; both member and proxy directories exist');
    process.exit(1);
  }
  for (const name of names.filter((found) => !ownNames.has(found))) {
    log.warn('found invalid file under data directory', { filename: name, 'data-dir': dataDir });
  }
}

/** What the flags say of the cluster to be made or joined, as fields of the log. */
function initialCluster({ start: { request } }: ServerConfig) {
  if (request.kind !== 'new' && request.kind !== 'existing') {
    return {};
  }
  const each = request.members.map(({ name, peerUrls }) =>
    peerUrls.map((url) => `${name}=${url}`).join(','),
  );
  return {
    'initial-cluster': each.join(','),
    'initial-cluster-state': request.kind,
    'initial-cluster-token': request.token,
  };
}

function logStart(log: RootLogger, config: ServerConfig): void {
  const { member, grpc } = config;
  log.info('starting an etcd server', {
    'etcd-version': ETCD_VERSION,
    'metastore-version': packageVersion(),
    'node-version': process.version,
    name: member.name,
    'data-dir': config.dataDir,
    'storage-engine': member.core.engine,
    'snapshot-count': member.checkpoints.snapshotCount,
    'snapshot-catchup-entries': member.checkpoints.catchupEntries,
    'heartbeat-interval': `${member.heartbeatMs}ms`,
    'election-timeout': `${member.heartbeatMs * member.electionTicks}ms`,
    'listen-client-urls': config.listenClientUrls.map((url) => url.text),
    'advertise-client-urls': member.clientUrls,
    'listen-peer-urls': config.listenPeerUrls.map((url) => url.text),
    'initial-advertise-peer-urls': member.peerUrls,
    ...initialCluster(config),
    'pre-vote': member.preVote,
    'quota-backend-bytes': member.core.quotaBytes,
    'max-request-bytes': member.core.maxRequestBytes,
    'max-concurrent-streams': grpc.maxConcurrentStreams,
    'v2-deprecation': 'write-only',
  });
  if (member.core.unsafeNoFsync) {
    log.warn('the log is not synced: acknowledged writes can be lost', { flag: 'unsafe-no-fsync' });
  }
}

/** Everything in its order: first the clients, then consensus and data, then the ports of peers. */
async function shutDown(log: RootLogger, server: Server): Promise<void> {
  const { member } = server;
  log.info('closing etcd server', { name: member.options.name });
  await server.stopServing();
  await member.stop();
  await server.closePeerPorts();
  log.info('closed etcd server', { name: member.options.name });
}

/** The member is none any more: ends the process, in good order and without a failure. */
function endRemoved(log: RootLogger, config: ServerConfig, server: () => Server | null): void {
  log.warn('server error', {
    error: 'the member has been permanently removed from the cluster',
  });
  log.warn('data-dir used by this member must be removed', { 'data-dir': config.dataDir });
  const running = server();
  const stopped = running === null ? Promise.resolve() : shutDown(log, running);
  stopped.then(
    () => process.exit(0),
    (error: unknown) => {
      log.fatal('failed to stop', { error });
      process.exit(1);
    },
  );
}

function handleSignals(log: RootLogger, server: Server): void {
  let stopping = false;
  const stop = (signal: StopSignal) => {
    // Further signals change nothing until this one has been served.
    if (stopping) {
      return;
    }
    stopping = true;
    log.info('received signal; shutting down', { signal: signalNames[signal] });
    const stopped = server.member.handOver().then(() => shutDown(log, server));
    stopped.then(
      () => {
        process.removeAllListeners(signal);
        if (process.pid === 1) {
          process.exit(0);
        }
        process.kill(process.pid, signal);
      },
      (error: unknown) => {
        log.fatal('failed to stop', { error });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // These mean nothing here, and must not end the process as they would by default.
  // Without a listener SIGUSR1 would open Node's debugger.
  process.on('SIGUSR1', () => undefined);
  process.on('SIGUSR2', () => undefined);
  process.on('SIGQUIT', () => process.exit(2));
}

/** Runs a server until a signal ends it. Never returns in an orderly way: the process exits. */
export async function runServer(
  config: ServerConfig,
  log: RootLogger,
  console: boolean,
): Promise<void> {
  const fatal = (message: string) => {
    log.fatal('storage failed, nothing can be acknowledged any more', { error: message });
    process.exit(1);
  };
  inspectDataDir(log, config.dataDir);
  logStart(log, config);
  let server: Server | null = null;
  let removed = false;
  const onRemoved = () => {
    if (!removed) {
      removed = true;
      endRemoved(log, config, () => server);
    }
  };
  try {
    server = await compose(config, log, { onFatal: fatal, onRemoved });
  } catch (error) {
    failStart(log, config, error);
  }
  const { member } = server;
  // A directory of a member that left its cluster in an earlier life has none to serve.
  if (member.membership.isRemoved(member.id)) {
    onRemoved();
    return;
  }
  handleSignals(log, server);
  try {
    server.upkeep.start();
    await member.start();
  } catch (error) {
    if (member.stopping) {
      return;
    }
    failStart(log, config, error);
  }
  server.upkeep.serves();
  log.info('ready to serve client requests');
  server.serve();
  for (const url of config.listenClientUrls) {
    log.info('serving client traffic insecurely; this is strongly discouraged!', {
      traffic: 'grpc+http',
      address: url.path === '' ? `${url.host}:${url.port}` : url.path,
    });
  }
  if (console) {
    process.stderr.write(bannerText(config));
  }
}
