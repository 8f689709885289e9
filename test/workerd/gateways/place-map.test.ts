import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPlaceMap, type PlaceShardHandle } from '../../../src/gateways/place-map.ts';
import type { FoundPlace, HashedPlace, PlaceMap } from '../../../src/gateways/places.ts';
import { md5Hex } from '../../../src/keep/md5.ts';

/** The map over real Durable Objects, and what it promises to readers, indexes and adoptions. */
const { PLACES } = env as unknown as { PLACES: DurableObjectNamespace };
const LAKE = 'xedge-bi6l4-lake00000000000';
const ARCHIVE = 'xedge-bi6l4-archive00000000';

let serial = 0;
/** A map of its own, as each isolate has it: `fresh` knows nothing that another one was told. */
function freshMap(name = `map ${serial++}`): { map: PlaceMap; again: () => PlaceMap } {
  const again = () =>
    createPlaceMap((shard) => PLACES.getByName(`${name} ${shard}`) as unknown as PlaceShardHandle, Date.now);
  return { map: again(), again };
}

function place(hash: string, key: string, fields: Partial<HashedPlace> = {}): HashedPlace {
  return { hash, gateway: LAKE, key, start: 0, length: 10, etag: `etag of ${key}`, objectSize: 10, ...fields };
}

const hashOf = (text: string) => md5Hex(text);

describe('the map from hash to places', () => {
  test('finds what was added, each place once however often it is added, and nothing else', async () => {
    const { map, again } = freshMap();
    const hash = hashOf('a');
    await map.add([place(hash, 'one'), place(hash, 'two', { start: 67_108_864, objectSize: 67_108_874 })]);
    await map.add([place(hash, 'one')]);
    const found = await again().find(hash);
    expect(found.map(({ key }) => key).sort()).toEqual(['one', 'two']);
    expect(found.find(({ key }) => key === 'two')).toEqual({
      gateway: LAKE,
      key: 'two',
      start: 67_108_864,
      length: 10,
      etag: 'etag of two',
      objectSize: 67_108_874,
      isMarked: false,
    });
    expect(await map.find(hashOf('b'))).toEqual([]);
    expect(await map.totals(LAKE)).toEqual({ places: 2, bytes: 20, marked: 0 });
  });

  test('knows an object by its last ETag', async () => {
    const { map, again } = freshMap();
    const hash = hashOf('a');
    await map.add([place(hash, 'one', { etag: 'first' })]);
    await map.add([place(hash, 'one', { etag: 'second' })]);
    expect((await again().find(hash)).map(({ etag }) => etag)).toEqual(['second']);
  });

  test('puts marked places last, until they are good again or adopted anew', async () => {
    const { map, again } = freshMap();
    const hash = hashOf('a');
    await map.add([place(hash, 'one'), place(hash, 'two')]);
    await map.mark(place(hash, 'one'), 'it was overwritten');
    expect((await again().find(hash)).map(({ key, isMarked }) => [key, isMarked])).toEqual([
      ['two', false],
      ['one', true],
    ]);
    expect(await map.marks(LAKE, 10)).toMatchObject([{ key: 'one', problem: 'it was overwritten', hash }]);
    await map.mark(place(hash, 'one'), null);
    expect(await map.totals(LAKE)).toMatchObject({ marked: 0 });
    await map.mark(place(hash, 'two'), 'it was deleted');
    await map.add([place(hash, 'two', { etag: 'new' })]);
    expect(await map.marks(LAKE, 10)).toEqual([]);
    // Of the object as it was before: it says nothing about the new one.
    await map.mark(place(hash, 'two'), 'it was overwritten');
    expect(await map.marks(LAKE, 10)).toEqual([]);
  });

  test('keeps retired places for readers of past versions, without a mark that would ask for something', async () => {
    const { map, again } = freshMap();
    const hash = hashOf('a');
    await map.add([place(hash, 'one')]);
    await map.mark(place(hash, 'one'), 'it was overwritten');
    await map.retire([place(hash, 'one')], 'adopted again');
    expect(await map.marks(LAKE, 10)).toEqual([]);
    await map.mark(place(hash, 'one'), 'it was overwritten');
    expect(await map.marks(LAKE, 10)).toEqual([]);
    expect(await again().find(hash)).toHaveLength(1);
  });

  test('holds no more than 16 places of a block; stale ones go first', async () => {
    const { map, again } = freshMap();
    const hash = hashOf('zeros');
    const many = Array.from({ length: 40 }, (_, i) => place(hash, `copy ${i}`));
    await map.add(many);
    const found = await again().find(hash);
    expect(found).toHaveLength(16);
    const [first] = found;
    await map.mark({ ...(first as FoundPlace), hash }, 'it was deleted');
    await map.add([place(hash, 'another')]);
    const keys = (await again().find(hash)).map(({ key }) => key);
    expect(keys).toContain('another');
    expect(keys).not.toContain(first?.key);
    expect(await map.totals(LAKE)).toMatchObject({ places: 16, marked: 0 });
  });

  test('a mark is seen at once by the isolate that made it', async () => {
    const { map } = freshMap();
    const hash = hashOf('a');
    await map.add([place(hash, 'one'), place(hash, 'two')]);
    const [first] = await map.find(hash);
    await map.mark({ ...(first as FoundPlace), hash }, 'it was overwritten');
    expect((await map.find(hash)).at(-1)?.key).toBe(first?.key);
  });

  test('lists each gateway in the order of hashes, over all shards and below every prefix', {
    timeout: 60_000,
  }, async () => {
    const { map } = freshMap();
    const hex = fc.array(fc.nat(255), { minLength: 16, maxLength: 16 }).map((bytes) => toHex(bytes));
    const edges = [
      '00'.repeat(16),
      'ff'.repeat(16),
      `03${'ff'.repeat(15)}`,
      `04${'00'.repeat(15)}`,
      `fc${'00'.repeat(15)}`,
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(hex, { maxLength: 40 }),
        fc.constantFrom('', '0', '03', '04', 'f', 'fc', 'abc'),
        async (some, prefix) => {
          const { map: own } = freshMap();
          const hashes = [...new Set([...some, ...edges])].sort();
          await own.add(hashes.map((hash) => place(hash, hash)));
          await own.add([place(hashes[0] ?? '', 'again'), place(hashOf('elsewhere'), 'x', { gateway: ARCHIVE })]);
          const listed: string[] = [];
          for (let after: string | null = ''; after !== null; ) {
            const page = await own.page(LAKE, prefix, after);
            listed.push(...page.entries.map(({ hash }) => hash));
            after = page.next;
          }
          expect(listed).toEqual(hashes.filter((hash) => hash.startsWith(prefix)));
        },
      ),
      { numRuns: 15 },
    );
    expect(await map.page(LAKE, '', '')).toEqual({ entries: [], next: null });
  });
});

function toHex(bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
