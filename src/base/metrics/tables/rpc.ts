// Definitions: calls of clients by method, under the names of gRPC's common server metrics, and
// scrapes themselves.

import { counter, gauge, histogram } from '../definition.js';

const METHOD = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

export const rpcMetrics = {
  started: counter('grpc_server_started_total', 'Calls begun.', ...METHOD),
  handled: counter(
    'grpc_server_handled_total',
    'Calls ended, by their status.',
    ...METHOD,
    'grpc_code',
  ),
  received: counter('grpc_server_msg_received_total', 'Messages received in calls.', ...METHOD),
  sent: counter('grpc_server_msg_sent_total', 'Messages sent in calls.', ...METHOD),
  handlingSeconds: histogram(
    'grpc_server_handling_seconds',
    'Time of calls; with `--metrics=extensive` only.',
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ...METHOD,
  ),
  scrapesInFlight: gauge('promhttp_metric_handler_requests_in_flight', 'Scrapes being answered.'),
  scrapes: counter(
    'promhttp_metric_handler_requests_total',
    'Scrapes answered, by HTTP status.',
    'code',
  ),
};
