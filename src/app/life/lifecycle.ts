// From configuration to a serving process and back: what is logged at which point, and how it all
// ends. Exit statuses: 1 for a start that failed or a disk that did, 0 for a removed member,
// the signal itself after a stop by signal (0 as the first process of a container).

import { hexId } from '../../base/bytes.js';
import type { RootLogger } from '../../base/log/logger.js';
import { loadAddon } from '../../storage/loader.js';
import { compose, type Server } from '../compose/compose.js';
import type { ServerConfig } from '../config/config.js';
import type { Flags } from '../flags/sources.js';
import { bannerText } from '../text/banner.js';
import { failStart, inspectDataDir } from './failures.js';
import { notifyReady } from './notify.js';
import { handleOtherSignals, stopOnSignals } from './signals.js';
import { logStart } from './start-line.js';

function identity({ member, dataDir }: ServerConfig) {
  return {
    name: member.name,
    'data-dir': dataDir,
    'advertise-peer-urls': member.peerUrls,
    'advertise-client-urls': member.clientUrls,
  };
}

/** Everything in its order: first the clients, then consensus and data, then the ports of peers. */
async function shutDown(log: RootLogger, config: ServerConfig, server: Server): Promise<void> {
  log.info('closing etcd server', identity(config));
  await server.stopServing();
  await server.member.stop();
  await server.closePeerPorts();
  log.info('closed etcd server', identity(config));
}

/** The member is none any more: ends the process, in good order and without a failure. */
function endRemoved(log: RootLogger, config: ServerConfig, running: Server | null): void {
  log.warn('server error', {
    error: 'the member has been permanently removed from the cluster',
  });
  log.warn('data-dir used by this member must be removed', { 'data-dir': config.dataDir });
  const stopped = running === null ? Promise.resolve() : shutDown(log, config, running);
  stopped.then(
    () => process.exit(0),
    (error: unknown) => {
      log.fatal('failed to stop', { error });
      process.exit(1);
    },
  );
}

/**
 * Runs a server until a signal ends it. Never returns in an orderly way: the process exits.
 *
 * @param console whether a person watches, who is told how to begin
 */
export async function runServer(
  config: ServerConfig,
  flags: Flags,
  log: RootLogger,
  console: boolean,
): Promise<void> {
  handleOtherSignals(log, log.level);
  inspectDataDir(log, config.dataDir);
  logStart(log, config, flags);
  let server: Server | null = null;
  let removed = false;
  const onFatal = (message: string) => {
    log.fatal('storage failed, nothing can be acknowledged any more', { error: message });
    process.exit(1);
  };
  const onRemoved = () => {
    if (!removed) {
      removed = true;
      endRemoved(log, config, server);
    }
  };
  try {
    server = await compose(config, log, { onFatal, onRemoved });
  } catch (error) {
    failStart(log, config, error);
  }
  log.info('bootstrap successfully');
  const { member } = server;
  // A directory of a member that left its cluster in an earlier life has none to serve.
  if (member.membership.isRemoved(member.id)) {
    onRemoved();
    return;
  }
  log.info('now serving peer/client/metrics', {
    'local-member-id': hexId(member.id),
    'initial-advertise-peer-urls': member.options.peerUrls,
    'advertise-client-urls': member.options.clientUrls,
    'listen-peer-urls': flags.list('listen-peer-urls'),
    'listen-client-urls': flags.list('listen-client-urls'),
    'listen-metrics-urls': flags.list('listen-metrics-urls'),
  });
  const running = server;
  stopOnSignals(log, async () => {
    await member.handOver();
    await shutDown(log, config, running);
  });
  try {
    server.upkeep.start();
    await member.start();
    await server.upkeep.serves();
  } catch (error) {
    if (member.stopping) {
      return;
    }
    failStart(log, config, error);
  }
  log.info('ready to serve client requests');
  server.serve();
  notifyReady(process.env.NOTIFY_SOCKET, loadAddon().sendDatagram, log);
  if (console) {
    process.stderr.write(bannerText(config));
  }
}
