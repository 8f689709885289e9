import type { ObjectStore } from './object-store.ts';

/**
 * What an operation was and how it ended; `bytesIn` are read from the store, `bytesOut` written to it; `ms` until it answered: a read's
 * body comes after that.
 */
export interface Operation {
  operation: 'get' | 'head' | 'put' | 'copy' | 'delete' | 'list';
  bytesIn: number;
  bytesOut: number;
  ms: number;
  error: unknown;
}

/** Runs one operation, in a span of a trace. */
export type Around = <Result>(operation: Operation['operation'], act: () => Promise<Result>) => Promise<Result>;

/** The same store with every operation reported, for metrics and traces. */
export function instrumentStore(
  store: ObjectStore,
  report: (operation: Operation) => void,
  around: Around = (_, act) => act(),
): ObjectStore {
  async function run<Result>(
    operation: Operation['operation'],
    bytesOut: number,
    act: () => Promise<Result>,
    bytesIn: (result: Result) => number = () => 0,
  ): Promise<Result> {
    const begun = Date.now();
    try {
      const result = await around(operation, act);
      report({ operation, bytesIn: bytesIn(result), bytesOut, ms: Date.now() - begun, error: null });
      return result;
    } catch (error) {
      report({ operation, bytesIn: 0, bytesOut: 0, ms: Date.now() - begun, error });
      throw error;
    }
  }
  return {
    get: (key, options) =>
      run(
        'get',
        0,
        () => store.get(key, options),
        (object) => (object === null ? 0 : (options?.range?.length ?? object.size)),
      ),
    head: (key, signal) => run('head', 0, () => store.head(key, signal)),
    put: (key, body, options) => run('put', options.size, () => store.put(key, body, options)),
    copy: (from, to) => run('copy', 0, () => store.copy(from, to)),
    delete: (keys) => run('delete', 0, () => store.delete(keys)),
    list: (options) => run('list', 0, () => store.list(options)),
  };
}
