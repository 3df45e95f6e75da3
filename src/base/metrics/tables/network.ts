// Definitions: what goes between clients and members, and among members. Labels with capitals are
// those of etcd; members stand in them by id, in hexadecimal digits.

import { counter, exponential, gauge, histogram } from '../definition.js';

const SNAPSHOT = 'etcd_network_snapshot_';
const PROXY = 'etcd_grpc_proxy_';
const NO_PROXY = 'Of a proxy, which this server is not: always 0.';

export const networkMetrics = {
  activePeers: gauge(
    'etcd_network_active_peers',
    '1 for a member that is connected.',
    'Local',
    'Remote',
  ),
  clientReceivedBytes: counter(
    'etcd_network_client_grpc_received_bytes_total',
    'Bytes of messages received from clients.',
  ),
  clientSentBytes: counter(
    'etcd_network_client_grpc_sent_bytes_total',
    'Bytes of messages sent to clients.',
  ),
  disconnectedPeers: counter(
    'etcd_network_disconnected_peers_total',
    'Times that the connection to a member was lost.',
    'Local',
    'Remote',
  ),
  knownPeers: gauge(
    'etcd_network_known_peers',
    '1 for every member of the cluster, this one included.',
    'Local',
    'Remote',
  ),
  peerReceivedBytes: counter(
    'etcd_network_peer_received_bytes_total',
    'Bytes received from a member.',
    'From',
  ),
  peerReceivedFailures: counter(
    'etcd_network_peer_received_failures_total',
    'Messages of a member that could not be understood or taken.',
    'From',
  ),
  peerRoundTripSeconds: histogram(
    'etcd_network_peer_round_trip_time_seconds',
    'Time from a question to a member to its answer.',
    exponential(0.0001, 2, 16),
    'To',
  ),
  peerSentBytes: counter('etcd_network_peer_sent_bytes_total', 'Bytes sent to a member.', 'To'),
  peerSentFailures: counter(
    'etcd_network_peer_sent_failures_total',
    'Messages to a member that were not sent.',
    'To',
  ),
  streamFailures: counter(
    'etcd_network_server_stream_failures_total',
    'Streams of clients that ended by an error of receiving or sending.',
    'Type',
    'API',
  ),
  snapshotReceiveFailures: counter(
    `${SNAPSHOT}receive_failures`,
    'Snapshots of a member that were not received whole.',
    'From',
  ),
  snapshotReceiving: gauge(
    `${SNAPSHOT}receive_inflights_total`,
    'Snapshots that a member is sending.',
    'From',
  ),
  snapshotReceived: counter(`${SNAPSHOT}receive_success`, 'Snapshots received.', 'From'),
  snapshotReceiveSeconds: histogram(
    `${SNAPSHOT}receive_total_duration_seconds`,
    'Time to receive a snapshot.',
    exponential(0.1, 2, 10),
    'From',
  ),
  snapshotSendFailures: counter(
    `${SNAPSHOT}send_failures`,
    'Snapshots that a member did not get whole.',
    'To',
  ),
  snapshotSending: gauge(
    `${SNAPSHOT}send_inflights_total`,
    'Snapshots that are being sent to a member.',
    'To',
  ),
  snapshotSent: counter(`${SNAPSHOT}send_success`, 'Snapshots sent.', 'To'),
  snapshotSendSeconds: histogram(
    `${SNAPSHOT}send_total_duration_seconds`,
    'Time to send a snapshot.',
    exponential(0.1, 2, 10),
    'To',
  ),
  proxyCacheHits: gauge(`${PROXY}cache_hits_total`, NO_PROXY),
  proxyCacheKeys: gauge(`${PROXY}cache_keys_total`, NO_PROXY),
  proxyCacheMisses: gauge(`${PROXY}cache_misses_total`, NO_PROXY),
  proxyEvents: counter(`${PROXY}events_coalescing_total`, NO_PROXY),
  proxyWatchers: gauge(`${PROXY}watchers_coalescing_total`, NO_PROXY),
};
