// Tells the service manager that the server serves: one datagram, as sd_notify(3) describes it.
// Called by the life cycle once the member is ready.

import type { Logger } from '../../base/log/logger.js';
import type { SendDatagram } from '../../base/log/sinks.js';

/**
 * Sends READY=1 to the socket that the environment names; without one there is nobody to tell.
 *
 * @param socket the value of NOTIFY_SOCKET: a path, or `@name` in the abstract namespace
 */
export function notifyReady(socket: string | undefined, send: SendDatagram, log: Logger): void {
  if (socket === undefined || socket === '') {
    return;
  }
  log.info('notifying init daemon');
  const failure = send(socket, new Uint8Array(Buffer.from('READY=1')));
  if (failure === 0) {
    log.info('successfully notified init daemon');
  } else {
    log.error('failed to notify systemd for readiness', { socket, errno: failure });
  }
}
