import type { KeepService } from './keep-service.ts';
import { pauseBefore, type RetryPolicy, sleep as sleepFor } from './retry.ts';
import type { ServiceSource } from './service-source.ts';
import type { ServiceAnswer } from './services-error.ts';

export interface RoundsOptions {
  services: ServiceSource;
  retry: RetryPolicy;
  signal?: AbortSignal | undefined;
  sleep?: typeof sleepFor | undefined;
  onPause?: OnPause | undefined;
}

/** Called before each pause with what has failed so far and the pause's length. */
export type OnPause = (why: string, pauseMs: number) => void;

/** One pass over the services. */
export interface Round {
  /** 0 is the first. */
  number: number;
  services: KeepService[];
  /** Whether this service may be asked: not when it failed for good. */
  isOpen(url: string): boolean;
  /** Records a service's answer. */
  note(answer: ServiceAnswer): void;
  /** Makes this round the last. */
  giveUp(): void;
}

/**
 * Runs `attempt` until it gives a result: again after a growing pause and with a fresh list of services, as long as
 * a service's last failure may pass.
 * @param fail makes the error of each service's last answer
 */
export async function inRounds<Result>(
  { services, retry, signal, sleep = sleepFor, onPause }: RoundsOptions,
  attempt: (round: Round) => Promise<Result | null>,
  fail: (answers: ServiceAnswer[]) => Error,
): Promise<Result> {
  const answers = new Map<string, ServiceAnswer>();
  const isOpen = (url: string) => answers.get(url)?.mayPass !== false;
  const note = (answer: ServiceAnswer) => void answers.set(answer.url, answer);
  let unlisted: unknown;
  let hopeless = false;
  const giveUp = () => {
    hopeless = true;
  };
  for (let number = 0; number < retry.rounds && !hopeless; number++) {
    if (number > 0) {
      const pauseMs = pauseBefore(number, retry);
      onPause?.(unlisted === undefined ? fail([...answers.values()]).message : messageOf(unlisted), pauseMs);
      await sleep(pauseMs, signal);
    }
    unlisted = undefined;
    const list = await services.list(number > 0).catch((error: unknown) => {
      unlisted = error;
      return null;
    });
    if (list === null) continue;
    const result = await attempt({ number, services: list, isOpen, note, giveUp });
    if (result !== null) return result;
    if (![...answers.values()].some(({ mayPass }) => mayPass)) break;
  }
  if (unlisted !== undefined && answers.size === 0) throw unlisted;
  throw fail([...answers.values()]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
