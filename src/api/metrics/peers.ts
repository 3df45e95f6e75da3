// What is counted of the other members: traffic and connections at each scrape, round trips and
// snapshots as they happen. Stands between the transport and those who hear its events.

import { hexId } from '../../base/bytes.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { diskMetrics } from '../../base/metrics/tables/disk.js';
import { networkMetrics } from '../../base/metrics/tables/network.js';
import type { PeerEvents, PeerTraffic, TransferEvents } from '../../cluster/peers/types.js';

/** Counts snapshots, in both directions. */
export function transferEvents(metrics: Metrics): TransferEvents {
  return {
    sending: (to) => {
      const label = hexId(to);
      const startMs = performance.now();
      const inFlight = metrics.value(networkMetrics.snapshotSending, label);
      inFlight.add();
      return (ok) => {
        inFlight.add(-1);
        if (ok) {
          metrics.value(networkMetrics.snapshotSent, label).add();
          const seconds = (performance.now() - startMs) / 1000;
          metrics.distribution(networkMetrics.snapshotSendSeconds, label).observe(seconds);
        } else {
          metrics.value(networkMetrics.snapshotSendFailures, label).add();
        }
      };
    },
    receiving: (from) => {
      const label = hexId(from);
      const startMs = performance.now();
      const inFlight = metrics.value(networkMetrics.snapshotReceiving, label);
      inFlight.add();
      return (ok) => {
        inFlight.add(-1);
        if (ok) {
          const seconds = (performance.now() - startMs) / 1000;
          metrics.value(networkMetrics.snapshotReceived, label).add();
          metrics.distribution(networkMetrics.snapshotReceiveSeconds, label).observe(seconds);
          metrics.distribution(diskMetrics.snapDbSaveSeconds).observe(seconds);
        } else {
          metrics.value(networkMetrics.snapshotReceiveFailures, label).add();
        }
      };
    },
  };
}

/** The same events, with the time of round trips counted. */
export function withRoundTrips(metrics: Metrics, events: PeerEvents): PeerEvents {
  return {
    receive: (...args) => events.receive(...args),
    forwarded: (...args) => events.forwarded(...args),
    unreachable: (id) => events.unreachable(id),
    snapshotDone: (...args) => events.snapshotDone(...args),
    snapshotReceived: (...args) => events.snapshotReceived(...args),
    removed: () => events.removed(),
    isRemoved: (id) => events.isRemoved(id),
    roundTrip: (id, milliseconds) => {
      const seconds = milliseconds / 1000;
      metrics.distribution(networkMetrics.peerRoundTripSeconds, hexId(id)).observe(seconds);
      events.roundTrip?.(id, milliseconds);
    },
  };
}

function observeTraffic(metrics: Metrics, self: string, traffic: PeerTraffic): void {
  const remote = hexId(traffic.id);
  metrics.value(networkMetrics.activePeers, self, remote).set(traffic.connected ? 1 : 0);
  if (traffic.disconnections > 0) {
    metrics.value(networkMetrics.disconnectedPeers, self, remote).set(traffic.disconnections);
  }
  if (traffic.sentBytes > 0) {
    metrics.value(networkMetrics.peerSentBytes, remote).set(traffic.sentBytes);
  }
  if (traffic.receivedBytes > 0) {
    metrics.value(networkMetrics.peerReceivedBytes, remote).set(traffic.receivedBytes);
  }
  if (traffic.sendFailures > 0) {
    metrics.value(networkMetrics.peerSentFailures, remote).set(traffic.sendFailures);
  }
  if (traffic.receiveFailures > 0) {
    metrics.value(networkMetrics.peerReceivedFailures, remote).set(traffic.receiveFailures);
  }
}

/** Asks for the traffic at each scrape; a member that is gone keeps its last numbers. */
export function observePeers(
  metrics: Metrics,
  self: bigint,
  traffic: () => readonly PeerTraffic[],
): void {
  metrics.onScrape(() => {
    for (const cell of metrics.values(networkMetrics.activePeers).cells()) {
      cell.set(0);
    }
    for (const one of traffic()) {
      observeTraffic(metrics, hexId(self), one);
    }
  });
}
