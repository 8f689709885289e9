/** A read of a database that requests of this isolate may share. */
export type JoinedReads<Result> = (scope: object, key: string, read: () => Promise<Result>) => Promise<Result>;

/** A client with a few connections waits for nothing. */
const AT_ONCE = 4;
/** A request that was cut off may leave a read that never ends. */
const PATIENCE_MS = 1000;

interface Lane<Result> {
  running: Set<Promise<Result>>;
  /** The read that all who come now will get. */
  next: Promise<Result> | null;
}

/**
 * Many requests for one thing at the same time cost a few reads: while AT_ONCE are running, who comes waits until one has ended, and
 * is answered by the next one together with all others that wait by then. That one begins after each of its requests: none of them
 * sees an older state than it would have read by itself.
 *
 * Results are shared, and must be plain values that no caller changes. A scope is what may share them, such as a user.
 * @param waitUntil keeps a read going when its own client leaves
 */
export function createJoinedReads<Result>(waitUntil: (work: Promise<unknown>) => void): JoinedReads<Result> {
  const scopes = new WeakMap<object, Map<string, Lane<Result>>>();

  return async (scope, key, read) => {
    const lanes = scopes.get(scope) ?? new Map<string, Lane<Result>>();
    scopes.set(scope, lanes);
    const lane = lanes.get(key) ?? { running: new Set(), next: null };
    lanes.set(key, lane);

    const giveUp = () => {
      if (lanes.get(key) === lane) lanes.delete(key);
    };
    const begin = async (): Promise<Result> => {
      const running = read();
      lane.running.add(running);
      try {
        return await running;
      } finally {
        lane.running.delete(running);
        if (lane.running.size === 0 && lane.next === null) giveUp();
      }
    };
    const kept = (work: Promise<Result>) => {
      waitUntil(work.catch(() => undefined));
      return work;
    };

    if (lane.running.size < AT_ONCE) return kept(begin());
    if (lane.next !== null) {
      const shared = await inTime(lane.next);
      if (shared !== null) return shared.value;
      giveUp();
      return read();
    }
    const afterOne = async () => {
      const ended = await inTime(Promise.race(lane.running).catch(() => undefined));
      if (ended === null) giveUp();
      lane.next = null;
      return begin();
    };
    lane.next = kept(afterOne());
    return lane.next;
  };
}

/** Null when it takes too long. The timer also shows the runtime that this request has something to wait for. */
async function inTime<Value>(shared: Promise<Value>): Promise<{ value: Value } | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(resolve, PATIENCE_MS, null);
  try {
    return await Promise.race([shared.then((value) => ({ value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
