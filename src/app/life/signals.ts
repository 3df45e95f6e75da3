// What signals do: SIGTERM and SIGINT stop in order, SIGUSR2 switches the log to debug and back,
// SIGQUIT and SIGABRT end at once. Installed by the life cycle.

import type { LogLevel, RootLogger } from '../../base/log/logger.js';

export type StopSignal = 'SIGINT' | 'SIGTERM';

const signalNames: Readonly<Record<StopSignal, string>> = {
  SIGINT: 'interrupt',
  SIGTERM: 'terminated',
};

/** Runs `stop` once, at the first signal, and ends the process by that very signal after it. */
export function stopOnSignals(log: RootLogger, stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: StopSignal) => {
    // Further signals change nothing until this one has been served.
    if (stopping) {
      return;
    }
    stopping = true;
    log.info('received signal; shutting down', { signal: signalNames[signal] });
    stop().then(
      () => endBy(signal),
      (error: unknown) => {
        log.fatal('failed to stop', { error });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function endBy(signal: StopSignal): void {
  // The first process of a container is not ended by a signal that it does not handle.
  if (process.pid === 1) {
    process.exit(0);
  }
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** What a person wants to know of a process that hangs, as far as it is known from within. */
function dump(signal: string): string {
  const counts = new Map<string, number>();
  for (const resource of process.getActiveResourcesInfo()) {
    counts.set(resource, (counts.get(resource) ?? 0) + 1);
  }
  const active = [...counts].map(([name, count]) => `${name} x${count}`).join(', ');
  const { rss, heapUsed } = process.memoryUsage();
  return (
    `${signal}: pid ${process.pid}, up ${Math.round(process.uptime())}s, ` +
    `rss ${rss >> 10} KiB, heap ${heapUsed >> 10} KiB\nactive: ${active}\n`
  );
}

/** SIGUSR2 and the rest, which work from the first line of the log on. */
export function handleOtherSignals(log: RootLogger, configured: LogLevel): void {
  // Without a listener SIGUSR1 would open Node's debugger.
  process.on('SIGUSR1', () => undefined);
  process.on('SIGUSR2', () => {
    const level = log.level === 'debug' ? configured : 'debug';
    // The line is to be seen whatever the level is.
    log.setLevel('info');
    log.info('log level changed', { 'log-level': level });
    log.setLevel(level);
  });
  for (const signal of ['SIGQUIT', 'SIGABRT'] as const) {
    process.on(signal, () => {
      process.stderr.write(dump(signal));
      process.exit(2);
    });
  }
}
