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
export interface Round<Target> {
  /** 0 is the first. */
  number: number;
  services: KeepService[];
  /** Those that may be asked, best first: the ones that failed for good in an earlier round are left out. */
  targets: Target[];
  /** Records a service's answer. */
  note(answer: ServiceAnswer): void;
  /** Makes this round the last. */
  giveUp(): void;
}

export interface Operation<Target, Result> {
  /** Services of a list that the operation may use, best first. */
  targets(services: readonly KeepService[]): Target[];
  /** One round; null when no target gave a result. */
  run(round: Round<Target>): Promise<Result | null>;
  /** The error made of the last answers of the services in the latest list, in the order of `targets`. */
  fail(answers: ServiceAnswer[]): Error;
}

/**
 * Runs an operation until it gives a result. After each failed round the list of services is fetched again, also when
 * all of them failed for good: a service may have joined since. It ends when a fresh list has no service left to ask.
 * A service that left the list no longer counts.
 */
export async function inRounds<Target extends { url: string }, Result>(
  { services, retry, signal, sleep = sleepFor, onPause }: RoundsOptions,
  { targets, run, fail }: Operation<Target, Result>,
): Promise<Result> {
  let answers = new Map<string, ServiceAnswer>();
  let unlisted: unknown;
  let isLast = false;
  const inOrder = () => fail([...answers.values()]);
  const mayPass = () => [...answers.values()].some((answer) => answer.mayPass);
  const note = (answer: ServiceAnswer) => void answers.set(answer.url, answer);
  const giveUp = () => {
    isLast = true;
  };
  for (let number = 0; number < retry.rounds && !isLast; number++) {
    if (number > 0) {
      const isSettled = unlisted === undefined && !mayPass();
      const pauseMs = isSettled && retry.skipsSettledPause === true ? 0 : pauseBefore(number, retry);
      if (pauseMs > 0) {
        onPause?.((unlisted === undefined ? inOrder() : asError(unlisted)).message, pauseMs);
        await sleep(pauseMs, signal);
      }
    }
    unlisted = undefined;
    const list = await services.list(number > 0).catch((error: unknown) => {
      unlisted = error;
      return null;
    });
    if (list === null) continue;
    const all = targets(list);
    answers = pruned(answers, all);
    const open = all.filter(({ url }) => answers.get(url)?.mayPass !== false);
    if (open.length > 0) {
      const result = await run({ number, services: list, targets: open, note, giveUp });
      if (result !== null) return result;
      answers = pruned(answers, all);
      if (services.isFixed === true && !mayPass()) break;
    } else if (services.isFixed === true || (list.length > 0 && number > 0)) {
      break;
    }
  }
  if (unlisted !== undefined && answers.size === 0) throw unlisted;
  throw inOrder();
}

/** The answers of these targets, in their order. */
function pruned(answers: Map<string, ServiceAnswer>, targets: { url: string }[]): Map<string, ServiceAnswer> {
  return new Map(
    targets.flatMap(({ url }): [string, ServiceAnswer][] => {
      const answer = answers.get(url);
      return answer === undefined ? [] : [[url, answer]];
    }),
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
