// Counts what health checks find: /health by outcome, the probes by check as well. Wired where the
// server is put together.

import type { Metrics } from '../../../base/metrics/metrics.js';
import { serverMetrics } from '../../../base/metrics/tables/server.js';
import type { Checked } from './reads.js';

/** Notes each result in the metrics. */
export function countChecks(metrics: Metrics): (checked: Checked) => void {
  return ({ type, name, ok }) => {
    if (type === 'health') {
      const counter = ok ? serverMetrics.healthSuccess : serverMetrics.healthFailures;
      metrics.value(counter).add();
      return;
    }
    metrics.value(serverMetrics.healthcheck, type, name).set(ok ? 1 : 0);
    metrics.value(serverMetrics.healthchecks, type, name, ok ? 'success' : 'error').add();
  };
}
