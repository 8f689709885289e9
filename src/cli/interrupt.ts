import { constants } from 'node:os';

/** A first Ctrl-C or SIGTERM aborts the signal, so that progress can be saved; a second one ends the process. */
export interface Interruption {
  signal: AbortSignal;
  /** 128 plus the number of the signal. */
  exitCode: number;
  /** Restores the default handling of signals. */
  end(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export function onInterrupt(): Interruption {
  const controller = new AbortController();
  const interruption: Interruption = {
    signal: controller.signal,
    exitCode: 1,
    end() {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
  const listener = (name: (typeof SIGNALS)[number]) => {
    interruption.exitCode = 128 + constants.signals[name];
    if (controller.signal.aborted) process.exit(interruption.exitCode);
    controller.abort(new Error('interrupted'));
  };
  for (const name of SIGNALS) process.on(name, listener);
  return interruption;
}
