// The few lines that a person sees who runs the server by hand, once it serves. Only with
// `--log-format=console`: a log that programs read is never mixed with anything.

import { ETCD_VERSION, packageVersion } from '../../base/package.js';
import type { ServerConfig } from '../config/config.js';

export function bannerText(config: ServerConfig): string {
  const { core, clientUrls } = config.member;
  const address = clientUrls[0] ?? '';
  const endpoint = address.replace(/^https?:\/\//, '');
  return [
    '',
    `  MetaStore ${packageVersion()} serves the etcd ${ETCD_VERSION} API`,
    '',
    `    address   ${clientUrls.join(', ')}`,
    `    engine    ${core.engine}`,
    `    data      ${core.dataDir}`,
    '',
    `  Try:  etcdctl --endpoints=${endpoint} put greeting hello`,
    '  Stop with Ctrl-C.',
    '',
    '',
  ].join('\n');
}
