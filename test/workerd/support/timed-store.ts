import type { ObjectStore } from '../../../src/storage/object-store.ts';

/** A store whose objects are as old as the test says: what is written gets the clock's time, not the machine's. */
export function timedStore(store: ObjectStore, clock: () => number) {
  const times = new Map<string, number>();
  const timed = <Info extends { key: string; modified: number } | null>(info: Info): Info =>
    info === null ? info : { ...info, modified: times.get(info.key) ?? info.modified };
  const made: ObjectStore = {
    get: async (key, options) => timed(await store.get(key, options)),
    head: async (key, signal) => timed(await store.head(key, signal)),
    async put(key, body, options) {
      const info = await store.put(key, body, options);
      times.set(key, clock());
      return timed(info);
    },
    async copy(from, to) {
      const info = await store.copy(from, to);
      if (info !== null) times.set(to, clock());
      return timed(info);
    },
    delete: (keys) => store.delete(keys),
    list: async (options) => {
      const page = await store.list(options);
      return { ...page, objects: page.objects.map(timed) };
    },
  };
  return { store: made, setTime: (key: string, ms: number) => void times.set(key, ms) };
}
