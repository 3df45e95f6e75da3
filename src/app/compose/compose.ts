// The one place that builds the object graph: listeners, the member's side, the clients' side.
// Called by the life cycle, which owns the order of starting and stopping.

import { peerRouter } from '../../api/peer/router.js';
import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import { Metrics } from '../../base/metrics/metrics.js';
import { addProcessMetrics } from '../../base/metrics/process.js';
import type { Member } from '../../server/member.js';
import type { Upkeep } from '../../server/upkeep/upkeep.js';
import { loadAddon } from '../../storage/loader.js';
import type { ServerConfig } from '../config/config.js';
import { Listening } from '../listen/listening.js';
import { httpServices, peerServices } from '../listen/services.js';
import { openClientSide } from './client-side.js';
import { type Endings, openMember } from './member-side.js';

/** A server whose ports are open and whose data is recovered; it serves nobody yet. */
export interface Server {
  readonly member: Member;
  readonly upkeep: Upkeep;
  /** Serves clients from now on. */
  serve(): void;
  /** Stops serving: clients are told to go, calls under way end, streams are ended. */
  stopServing(): Promise<void>;
  /** Takes no more connections of other members. */
  closePeerPorts(): Promise<void>;
}

/** When the library of the metrics is loaded at the latest: a start does not wait for it. */
const LOAD_METRICS_MS = 1000;

/**
 * Opens ports and data; other members are served when it resolves. Whatever was opened is closed
 * again when something fails.
 *
 * @throws ListenError, or what openMember throws
 */
export async function compose(
  config: ServerConfig,
  log: Logger,
  endings: Endings,
): Promise<Server> {
  const addon = loadAddon();
  const metrics = new Metrics();
  addProcessMetrics(metrics);
  const listening = await Listening.open(config.listen, config.dataDir, addon.network, log);
  const { dialler } = listening;
  try {
    const side = await openMember({ config, addon, dialler, metrics, log }, endings);
    const { member, upkeep, peers, peerHttp } = side;
    listening.servePeers(peerServices(peers, peerRouter({ ...side, log }), log));
    const clients = await openClientSide(config, addon, side, metrics, log);
    listening.serveMetrics(httpServices(clients.metricsHttp, log));
    return {
      member,
      upkeep,
      serve: () => {
        listening.serveClients(clients.services);
        systemClock.after(LOAD_METRICS_MS, () => void metrics.open());
      },
      stopServing: async () => {
        const closed = listening.closeClients();
        const drained = clients.drain();
        upkeep.stop();
        await Promise.all([closed, drained]);
      },
      closePeerPorts: () => {
        peerHttp.close();
        return listening.closePeers();
      },
    };
  } catch (error) {
    await listening.close();
    throw error;
  }
}
