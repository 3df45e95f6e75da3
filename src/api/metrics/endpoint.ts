// GET /metrics, or any other method: the metrics in the text form of Prometheus whatever the client
// would accept, compressed when it accepts that. On the client port and on metrics ports.

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import type { HttpResponse } from '../../base/call.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { rpcMetrics } from '../../base/metrics/tables/rpc.js';
import { METRICS_TYPE } from '../../base/metrics/text.js';

// Off the JavaScript thread: a scrape must not hold up requests.
const compress = promisify(gzip);

/** @param header what the request says of `accept-encoding` */
export function acceptsGzip(header: string | readonly string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((part) => {
      const [coding = '', ...parameters] = part.split(';').map((piece) => piece.trim());
      const refused = parameters.some((parameter) => /^q=0(\.0*)?$/i.test(parameter));
      return /^(x-)?gzip$/i.test(coding) && !refused;
    });
}

/** The answer to a scrape. */
export async function metricsReply(
  metrics: Metrics,
  acceptEncoding: string | readonly string[] | undefined,
): Promise<HttpResponse> {
  const inFlight = metrics.value(rpcMetrics.scrapesInFlight);
  inFlight.add();
  try {
    const text = await metrics.text();
    const headers = { 'content-type': METRICS_TYPE };
    if (!acceptsGzip(acceptEncoding)) {
      return { status: 200, headers, body: text };
    }
    const body = await compress(text);
    return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body };
  } finally {
    inFlight.add(-1);
    metrics.value(rpcMetrics.scrapes, '200').add();
  }
}
