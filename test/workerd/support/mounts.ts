import { env } from 'cloudflare:workers';
import { createBucketVolume } from '../../../src/storage/bucket-volume.ts';
import type { Mount } from '../../../src/storage/mounts.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { createR2ObjectStore } from '../../../src/storage/r2-object-store.ts';

export const HOUR_SECONDS = 3600;

/** Names of test objects must not meet: R2 is shared by the tests of one file. */
let serial = 0;

/** Everything under `prefix` of a real R2 bucket, as a store of its own. */
export function storeUnder(prefix: string): ObjectStore {
  const store = createR2ObjectStore((env as unknown as { BLOCKS: R2Bucket }).BLOCKS);
  const strip = <Info extends { key: string } | null>(info: Info): Info =>
    info === null ? info : { ...info, key: info.key.slice(prefix.length) };
  return {
    get: async (key, options) => strip(await store.get(prefix + key, options)),
    head: async (key, signal) => strip(await store.head(prefix + key, signal)),
    put: async (key, body, options) => strip(await store.put(prefix + key, body, options)),
    copy: async (from, to) => strip(await store.copy(prefix + from, prefix + to)),
    delete: (keys) => store.delete(keys.map((key) => prefix + key)),
    list: async (options) => {
      const startAfter = options.startAfter === undefined ? {} : { startAfter: prefix + options.startAfter };
      const page = await store.list({ ...options, ...startAfter, prefix: prefix + options.prefix });
      return { ...page, objects: page.objects.map(strip) };
    },
  };
}

export interface Fault {
  operation: keyof ObjectStore;
  /** Which keys; all when absent. */
  key?: RegExp;
  /** after: the store does as asked and its answer is lost. */
  when: 'before' | 'after';
  /** How often; for ever when absent. */
  times?: number;
}

/** The real store, failing where it is told to. `calls` counts what was asked of it. */
export function faultyStore(store: ObjectStore, faults: Fault[] = []) {
  const calls: string[] = [];
  const run = async <Result>(
    operation: keyof ObjectStore,
    key: string,
    act: () => Promise<Result>,
  ): Promise<Result> => {
    calls.push(`${operation} ${key}`);
    const fault = faults.find(
      (candidate) => candidate.operation === operation && (candidate.key?.test(key) ?? true) && candidate.times !== 0,
    );
    if (fault === undefined) return act();
    if (fault.times !== undefined) fault.times--;
    if (fault.when === 'after') await act();
    throw new Error(`injected: ${operation} ${key}`);
  };
  const faulty: ObjectStore = {
    get: (key, options) => run('get', key, () => store.get(key, options)),
    head: (key, signal) => run('head', key, () => store.head(key, signal)),
    put: (key, body, options) => run('put', key, () => store.put(key, body, options)),
    copy: (from, to) => run('copy', from, () => store.copy(from, to)),
    delete: (keys) => run('delete', keys.join(' '), () => store.delete(keys)),
    list: (options) => run('list', options.prefix, () => store.list(options)),
  };
  return { store: faulty, calls, faults };
}

export interface TestMountOptions {
  classes?: string[];
  replication?: number;
  readOnly?: boolean;
  faults?: Fault[];
  clock?: () => number;
  prefixLength?: number;
}

/** Stores an object in parts, as keepstore does with blocks over 5 MiB: the store has no MD5 for it then. */
export async function putInParts(mount: { prefix: string }, key: string, data: Uint8Array<ArrayBuffer>): Promise<void> {
  const { BLOCKS } = env as unknown as { BLOCKS: R2Bucket };
  const upload = await BLOCKS.createMultipartUpload(mount.prefix + key);
  const part = await upload.uploadPart(1, data);
  await upload.complete([part]);
}

/** A mount on a fresh part of the real bucket, with hands on its store. */
export function testMount(options: TestMountOptions = {}) {
  const number = ++serial;
  const { classes = ['default'], replication = 1, readOnly = false, faults = [], prefixLength = 3 } = options;
  const prefix = `mount${number}:`;
  const raw = storeUnder(prefix);
  const { store, calls } = faultyStore(raw, faults);
  const times = { ttlSeconds: HOUR_SECONDS, lifetimeSeconds: HOUR_SECONDS, raceWindowSeconds: 300 };
  const mount: Mount = {
    uuid: `xtest-nyw5e-${String(number).padStart(15, '0')}`,
    deviceId: `r2://mount${number}`,
    allowWrite: !readOnly,
    allowTrash: !readOnly,
    replication,
    storageClasses: Object.fromEntries(classes.map((name) => [name, true])),
    priority: 0,
    volume: createBucketVolume(store, {
      ...times,
      prefixLength,
      unsafeDelete: false,
      clock: options.clock ?? Date.now,
    }),
    store,
    prefixLength,
    raceWindowSeconds: times.raceWindowSeconds,
  };
  return { mount, raw, calls, faults, prefix };
}
