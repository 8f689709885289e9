/** How often all services are gone through, and how long to wait in between. */
export interface RetryPolicy {
  rounds: number;
  firstPauseMs: number;
  maxPauseMs: number;
  /** The share of each pause that is random, 0 to 1: many servers must not come back at once. */
  jitter?: number;
  /** Statuses worth another try, beside those that always are. */
  alsoRetried?: readonly number[];
  /**
   * No pause after a round in which every service failed for good: the fresh list is asked for at once, so that a
   * client of a server need not wait for "not found".
   */
  skipsSettledPause?: boolean;
}

/** Between servers, as keepstore and keepproxy: a client waits for the answer. */
export const SERVER_RETRIES: RetryPolicy = {
  rounds: 3,
  firstPauseMs: 2_000,
  maxPauseMs: 20_000,
  jitter: 0.5,
  skipsSettledPause: true,
};
/** For requests to other servers' keepstores, which answer 429 when they are busy. */
export const REMOTE_RETRIES: RetryPolicy = { ...SERVER_RETRIES, alsoRetried: [429] };
/** For command line tools, as the Python SDK: an outage of some minutes is waited out. */
export const SDK_RETRIES: RetryPolicy = { rounds: 11, firstPauseMs: 4_000, maxPauseMs: 60_000 };

const MAY_PASS = new Set([408, 409, 422, 423, 500, 502, 503, 504]);
/** What Cloudflare answers in place of an origin that it cannot reach: a network failure with a status. */
const NO_ORIGIN = { from: 520, to: 530 };

/** Whether asking the same service again later may help. `null` stands for no answer at all. */
export function mayPass(status: number | null, { alsoRetried = [] }: Pick<RetryPolicy, 'alsoRetried'> = {}): boolean {
  if (status === null || MAY_PASS.has(status) || alsoRetried.includes(status)) return true;
  return status >= NO_ORIGIN.from && status <= NO_ORIGIN.to;
}

/** Milliseconds between a failed round and round `round` (1 is the second): doubling, less a random part. */
export function pauseBefore(round: number, policy: RetryPolicy, random = Math.random): number {
  const pause = Math.min(policy.firstPauseMs * 2 ** (round - 1), policy.maxPauseMs);
  return pause * (1 - (policy.jitter ?? 0) * random());
}

/** Resolves after `ms`. @throws the signal's reason when it is aborted before */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
