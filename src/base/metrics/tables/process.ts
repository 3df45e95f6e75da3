// Definitions: what prom-client does not know of the process, under the names that every Prometheus
// client library uses. The rest of `process_*` and `nodejs_*` comes from that library.

import { counter, gauge } from '../definition.js';

export const processMetrics = {
  virtualMaxBytes: gauge(
    'process_virtual_memory_max_bytes',
    'Virtual memory that the process may have.',
  ),
  receivedBytes: counter(
    'process_network_receive_bytes_total',
    'Bytes received in the network namespace of the process.',
  ),
  transmittedBytes: counter(
    'process_network_transmit_bytes_total',
    'Bytes sent in the network namespace of the process.',
  ),
};
