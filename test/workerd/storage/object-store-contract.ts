import { beforeAll, describe, expect, test } from 'vitest';
import { isKeepError } from '../../../src/keep/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../../src/storage/object-store.ts';

export interface StoreUnderTest {
  store: ObjectStore;
  /** Stores an object by a multipart upload, past the port. */
  putInParts(key: string, parts: Uint8Array<ArrayBuffer>[]): Promise<void>;
}

const MIB = 1 << 20;
const MANY = 1100;

/** What every driver must do, told once. `open` makes an empty bucket. */
export function describeObjectStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} as an object store`, () => {
    let store: ObjectStore;
    let putInParts: StoreUnderTest['putInParts'];

    beforeAll(async () => {
      ({ store, putInParts } = await open());
    });

    test('says null for a key that is not there, whatever is asked', async () => {
      expect(await store.get('missing')).toBeNull();
      expect(await store.get('missing', { range: { offset: 0, length: 1 } })).toBeNull();
      expect(await store.head('missing')).toBeNull();
      expect(await store.copy('missing', 'elsewhere')).toBeNull();
      expect(await store.head('elsewhere')).toBeNull();
      await store.delete(['missing']);
      await store.delete(['missing', 'missing too']);
    });

    test('gives back what was put, with size, MD5 and time', async () => {
      const data = random(100_000);
      const before = Date.now();
      const put = await store.put('facts', data, { size: data.length, md5: await md5(data) });
      const head = await store.head('facts');
      const { body, ...info } = await opened(store.get('facts'));
      expect(await bytes(body)).toEqual(data);
      expect(info).toEqual(head);
      expect(info).toMatchObject({ key: 'facts', size: data.length, md5: await md5(data) });
      expect(put).toMatchObject({ key: 'facts', size: data.length, md5: await md5(data) });
      expect(Math.abs(info.modified - before)).toBeLessThan(5 * 60_000);
      expect((await store.list({ prefix: 'facts' })).objects[0]).toMatchObject({
        key: 'facts',
        size: data.length,
        modified: info.modified,
      });
    });

    test('keeps an empty object', async () => {
      await store.put('empty', new Uint8Array(0), { size: 0, md5: await md5(new Uint8Array(0)) });
      const { body, ...info } = await opened(store.get('empty'));
      expect(await bytes(body)).toHaveLength(0);
      expect(info).toMatchObject({ size: 0, md5: 'd41d8cd98f00b204e9800998ecf8427e' });
      await store.put('empty stream', streamOf(), { size: 0, md5: await md5(new Uint8Array(0)) });
      expect(await store.head('empty stream')).toMatchObject({ size: 0 });
    });

    test('takes keys with characters that need care in addresses', async () => {
      for (const key of ["odd/a b+c%25&d=e?f#g'(h)*!", 'odd/ü/€', 'odd//double', 'odd/tail/', 'odd/<&">']) {
        const data = new TextEncoder().encode(key);
        await store.put(key, data, { size: data.length, md5: await md5(data) });
        expect(await bytes((await opened(store.get(key))).body)).toEqual(data);
        expect(await store.copy(key, `copied-${key}`)).toMatchObject({ size: data.length });
        expect((await store.list({ prefix: key })).objects.map((object) => object.key)).toEqual([key]);
        await store.delete([key, `copied-${key}`]);
        expect(await store.head(key)).toBeNull();
      }
    });

    test('reads a byte range and still tells the size of the whole', async () => {
      const data = random(1000);
      await store.put('range', data, { size: data.length });
      const part = await opened(store.get('range', { range: { offset: 100, length: 50 } }));
      expect(part.size).toBe(1000);
      expect(await bytes(part.body)).toEqual(data.slice(100, 150));
      const last = await opened(store.get('range', { range: { offset: 999, length: 1 } }));
      expect(await bytes(last.body)).toEqual(data.slice(999));
    });

    test('stores a stream of 64 MiB byte for byte and checks its MD5', async () => {
      const chunk = random(MIB);
      const chunks = Array.from({ length: 64 }, () => chunk);
      const whole = new Uint8Array(64 * MIB);
      for (const index of chunks.keys()) whole.set(chunk, index * MIB);
      const hash = await md5(whole);
      await store.put('large', streamOf(...chunks), { size: whole.length, md5: hash });
      const { body, md5: stored } = await opened(store.get('large'));
      expect(stored).toBe(hash);
      expect(await md5(await bytes(body))).toBe(hash);
    });

    test.each([
      ['bytes', (data: Uint8Array) => data],
      ['a stream', (data: Uint8Array) => streamOf(data)],
    ])('refuses %s with another MD5 and keeps what was there', async (_, bodyOf) => {
      const old = random(10);
      await store.put('guarded', old, { size: old.length });
      const wrong = random(MIB);
      const put = store.put('guarded', bodyOf(wrong), { size: wrong.length, md5: await md5(old) });
      expect(isKeepError(await failureOf(put), 'body_mismatch')).toBe(true);
      expect(await bytes((await opened(store.get('guarded'))).body)).toEqual(old);
      const fresh = store.put('never', bodyOf(wrong), { size: wrong.length, md5: await md5(old) });
      expect(isKeepError(await failureOf(fresh), 'body_mismatch')).toBe(true);
      expect(await store.head('never')).toBeNull();
    });

    test.each([
      ['bytes', (data: Uint8Array) => data],
      ['a stream', (data: Uint8Array) => streamOf(data)],
    ])('stores %s only where nothing is, when asked to', async (kind, bodyOf) => {
      const [first, second] = [random(MIB), random(MIB)];
      const put = async (data: Uint8Array<ArrayBuffer>) =>
        store.put(`fresh ${kind}`, bodyOf(data), { size: data.length, md5: await md5(data), ifAbsent: true });
      expect(await put(first)).toMatchObject({ size: MIB, md5: await md5(first) });
      expect(await put(second)).toBeNull();
      expect(await bytes((await opened(store.get(`fresh ${kind}`))).body)).toEqual(first);
      await store.delete([`fresh ${kind}`]);
      expect(await put(second)).not.toBeNull();
      const wrong = store.put('never here', bodyOf(first), { size: MIB, md5: await md5(second), ifAbsent: true });
      expect(isKeepError(await failureOf(wrong), 'body_mismatch')).toBe(true);
      expect((await store.list({ prefix: 'unnamed/' })).objects).toEqual([]);
    });

    test('lets exactly one of many puts at once win, when all are for an absent key', async () => {
      const bodies = Array.from({ length: 6 }, () => random(300_000));
      const puts = await Promise.all(
        bodies.map((data) => store.put('contested', streamOf(data), { size: data.length, ifAbsent: true })),
      );
      const won = bodies.filter((_, i) => puts[i] !== null);
      expect(won).toHaveLength(1);
      expect(await bytes((await opened(store.get('contested'))).body)).toEqual(won[0]);
    });

    test('stores nothing when the stream ends early, runs over or breaks', async () => {
      const data = random(300_000);
      const put = (length: number, failure?: Error) =>
        store.put('broken', announced(length, [data], failure), { size: length, md5: hash });
      const hash = await md5(data);
      await failureOf(put(data.length + 1));
      await failureOf(put(data.length - 1));
      await failureOf(put(10 * data.length, new Error('the client is gone')));
      expect(await store.head('broken')).toBeNull();
    });

    test('knows no MD5 for an object written in parts', async () => {
      const parts = [random(5 * MIB), random(MIB)];
      await putInParts('parts', parts);
      const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
      const { body, ...info } = await opened(store.get('parts'));
      expect(info).toMatchObject({ size: 6 * MIB, md5: null });
      expect(await md5(await bytes(body))).toBe(await md5(whole));
      expect(await store.head('parts')).toMatchObject({ size: 6 * MIB, md5: null });
    });

    test('copies whole objects, over what is there, and onto themselves', async () => {
      const data = random(200_000);
      await store.put('copy/from', data, { size: data.length });
      await store.put('copy/to', random(10), { size: 10 });
      const copied = await store.copy('copy/from', 'copy/to');
      expect(copied).toEqual(await store.head('copy/to'));
      expect(copied).toMatchObject({ key: 'copy/to', size: data.length, md5: await md5(data) });
      expect(await bytes((await opened(store.get('copy/to'))).body)).toEqual(data);
      expect(await store.copy('copy/from', 'copy/from')).toMatchObject({ size: data.length });
      expect(await bytes((await opened(store.get('copy/from'))).body)).toEqual(data);
    });

    test('a later put moves the time on', async () => {
      const { modified } = await store.put('touched', random(1), { size: 1 }).then(() => headOf(store, 'touched'));
      await new Promise((resolve) => setTimeout(resolve, 1100));
      await store.put('touched', random(1), { size: 1 });
      expect((await headOf(store, 'touched')).modified).toBeGreaterThan(modified);
    });

    test('lists more keys than a page holds: ascending, each once, from anywhere, and deletes them all', async () => {
      const keys = Array.from({ length: MANY }, (_, index) => `many/${index.toString().padStart(5, '0')}`);
      await eachOf([...keys].reverse(), 16, async (key) => void (await store.put(key, new Uint8Array(1), { size: 1 })));
      await store.put('many0', new Uint8Array(1), { size: 1 });
      expect(await listAll(store, 'many/')).toEqual(keys);
      expect(await listAll(store, 'many/', { limit: 300 })).toEqual(keys);
      expect(await listAll(store, 'many/', { startAfter: 'many/00500' })).toEqual(keys.slice(501));
      expect(await listAll(store, 'many/', { startAfter: 'many/00500x', limit: 7 })).toEqual(keys.slice(501));
      expect(await listAll(store, 'many/010')).toEqual(keys.slice(1000));
      expect(await listAll(store, 'none')).toEqual([]);
      const page = await store.list({ prefix: 'many/', limit: 10 });
      expect(page.objects.length).toBeLessThanOrEqual(10);
      for (let at = 0; at < keys.length; at += 1000) await store.delete(keys.slice(at, at + 1000));
      expect(await listAll(store, 'many/')).toEqual([]);
      expect(await store.head('many0')).not.toBeNull();
    });

    test('a read that is given up in the middle leaves the store usable', async () => {
      const data = random(8 * MIB);
      await store.put('given up', data, { size: data.length });
      for (let round = 0; round < 10; round++) {
        const reader = (await opened(store.get('given up'))).body.getReader();
        expect((await reader.read()).done).toBe(false);
        await reader.cancel();
      }
      expect(await md5(await bytes((await opened(store.get('given up'))).body))).toBe(await md5(data));
    });

    test('a read whose signal has fired does not start', async () => {
      await store.put('signalled', random(10), { size: 10 });
      const error = await failureOf(store.get('signalled', { signal: AbortSignal.abort() }));
      expect(isKeepError(error, 'client_gone')).toBe(true);
    });

    test('concurrent puts of one key leave one of them whole', async () => {
      const versions = Array.from({ length: 8 }, () => random(50_000));
      await Promise.all(
        versions.map(async (data) => store.put('raced', streamOf(data), { size: data.length, md5: await md5(data) })),
      );
      const { body, md5: stored } = await opened(store.get('raced'));
      const hashes = await Promise.all(versions.map(md5));
      expect(hashes).toContain(stored);
      expect(await md5(await bytes(body))).toBe(stored);
    });
  });
}

function random(size: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536));
  return data;
}

async function md5(data: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('MD5', data as BufferSource));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A stream of known length that breaks when it is cut short or runs over: what the port takes. */
function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return announced(
    chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    chunks,
  );
}

function announced(length: number, chunks: Uint8Array[], failure?: Error): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const write = async () => {
    for (const chunk of chunks) await writer.write(chunk);
    await (failure === undefined ? writer.close() : writer.abort(failure));
  };
  // The reader sees it break.
  write().catch(() => undefined);
  return readable;
}

async function bytes(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(body).arrayBuffer());
}

async function opened<T>(found: Promise<T | null>): Promise<T> {
  const value = await found;
  if (value === null) throw new Error('the object is not there');
  return value;
}

function headOf(store: ObjectStore, key: string): Promise<ObjectInfo> {
  return opened(store.head(key));
}

/** What the promise fails with; failing to fail is an error. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome?.status === 'rejected') return outcome.reason;
  throw new Error('this should have failed');
}

async function listAll(
  store: ObjectStore,
  prefix: string,
  options: { startAfter?: string; limit?: number } = {},
): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.list({ prefix, cursor, ...options });
    keys.push(...page.objects.map((object) => object.key));
    cursor = page.next;
  } while (cursor !== null);
  return keys;
}

async function eachOf<T>(items: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
