import type { ObjectStore } from '../../../src/storage/object-store.ts';

/** An actor works on the store it is given; its requests wait until it is its turn. */
export type Actor<Result> = (store: ObjectStore) => Promise<Result>;

/**
 * Runs actors against one store with their single store requests in an order that `pick` decides: one request at a
 * time, done to its end before the next is chosen. The same picks give the same run.
 * @param pick how many may go: the index of the one that goes
 */
export async function interleave<Result>(
  store: ObjectStore,
  actors: Actor<Result>[],
  pick: (choices: number) => number,
): Promise<PromiseSettledResult<Result>[]> {
  const waiting = new Map<number, () => Promise<void>>();
  let running = actors.length;
  let settle: () => void = () => {};
  /** Everybody waits for a turn or has come to an end. */
  const quiet = async () => {
    while (running > 0) await new Promise<void>((resolve) => (settle = resolve));
  };
  const rest = () => {
    running--;
    settle();
  };
  const gate = (actor: number): ObjectStore => {
    const turn = <Value>(act: () => Promise<Value>): Promise<Value> =>
      new Promise((resolve, reject) => {
        waiting.set(actor, () => act().then(resolve, reject));
        rest();
      });
    return {
      get: (key, options) => turn(() => store.get(key, options)),
      head: (key, signal) => turn(() => store.head(key, signal)),
      put: (key, body, options) => turn(() => store.put(key, body, options)),
      copy: (from, to) => turn(() => store.copy(from, to)),
      delete: (keys) => turn(() => store.delete(keys)),
      list: (options) => turn(() => store.list(options)),
    };
  };
  const ends = actors.map((act, i) => act(gate(i)).finally(rest));
  const results = Promise.allSettled(ends);
  for (await quiet(); waiting.size > 0; await quiet()) {
    const choices = [...waiting.keys()].sort((a, b) => a - b);
    const chosen = choices[pick(choices.length)] ?? 0;
    const act = waiting.get(chosen);
    waiting.delete(chosen);
    running++;
    await act?.();
  }
  return results;
}
