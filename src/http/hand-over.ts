export interface HandOverOptions {
  /** Gives what was counted in this isolate to the object that adds up; what fails stays counted. */
  handOver: () => Promise<unknown>;
  waitUntil: (work: Promise<unknown>) => void;
  wait: (ms: number) => Promise<unknown>;
  /** Unix milliseconds. */
  now: () => number;
}

const DELAY_MS = 1000;
/** A hand-over that was cut off with its request is given up after this time. */
const GIVEN_UP_MS = 30_000;

/** A function that hands over a second from now, once for all its calls until then; cheap to call at each request. */
export function createHandOver({ handOver, waitUntil, wait, now }: HandOverOptions): () => void {
  let begun = Number.NEGATIVE_INFINITY;
  return () => {
    if (now() - begun < GIVEN_UP_MS) return;
    begun = now();
    waitUntil(
      wait(DELAY_MS)
        .then(() => {
          begun = Number.NEGATIVE_INFINITY;
          return handOver();
        })
        .catch(() => undefined),
    );
  };
}
