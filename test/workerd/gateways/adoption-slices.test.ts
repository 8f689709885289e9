import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import type { Gateway } from '../../../src/gateways/adopted-blocks.ts';
import { type Adoption, NO_ADOPTION_COUNTS } from '../../../src/gateways/adoption.ts';
import { type AdoptionRows, createAdoptionRows } from '../../../src/gateways/adoption-rows.ts';
import { forgetSlice, hashSlice, type WorkContext } from '../../../src/gateways/adoption-work.ts';
import { scopeOf } from '../../../src/gateways/object-path.ts';
import { createPlaceMap, type PlaceShardHandle } from '../../../src/gateways/place-map.ts';
import { createR2GatewayBucket } from '../../../src/gateways/r2-bucket.ts';

/** Steps of an adoption over rows in a real Durable Object, a real map and an R2 bucket. */
const { PLACES, ARCHIVE } = env as unknown as { PLACES: DurableObjectNamespace; ARCHIVE: R2Bucket };
const UUID = 'xedge-bi6l4-lake00000000000';
const OBJECTS = 1000;
const ADOPTION: Adoption = {
  gateway: UUID,
  prefix: '',
  mode: 'copy',
  hashing: 'service',
  phase: 'hashing',
  generation: 1,
  cursor: null,
  startedAt: 0,
  finishedAt: null,
  message: '',
  counts: NO_ADOPTION_COUNTS,
  collections: {},
};

function contextOf(name: string, rows: AdoptionRows, requests: number): WorkContext {
  const config = {
    uuid: UUID,
    name: 'lake',
    driver: { kind: 'R2', binding: 'ARCHIVE', endpoint: '', bucket: '' },
    prefix: '',
    storageClass: 'default',
    replication: 1,
    adoptableBy: [],
    etagIsMd5: true,
    verifyReads: 'attested',
  } satisfies Gateway['config'];
  const map = createPlaceMap((shard) => PLACES.getByName(`${name} ${shard}`) as unknown as PlaceShardHandle, Date.now);
  const budget = { until: Number.POSITIVE_INFINITY, now: Date.now, bytes: 2 ** 30, requests };
  return { rows, map, gateway: { config, bucket: createR2GatewayBucket(ARCHIVE) }, budget };
}

const inObject = (name: string, work: (rows: AdoptionRows) => Promise<void>) =>
  runInDurableObject(PLACES.getByName(name), (_, state) => work(createAdoptionRows(state.storage)));

test('that all is hashed is not told before what follows is done: a copy that has not begun is not made', async () => {
  await inObject('adoption told early', async (rows) => {
    rows.save(ADOPTION);
    expect(await hashSlice(ADOPTION, contextOf('told early', rows, 1000))).toMatchObject({ phase: 'hashing' });
    expect(rows.load()).toMatchObject({ phase: 'hashing' });
  });
});

test('objects that are gone are forgotten in slices, each within its requests, and all of them in the end', async () => {
  await inObject('adoption of what goes', async (rows) => {
    const objects = Array.from({ length: OBJECTS }, (_, i) => ({ key: `gone/${i}`, size: 0, etag: 'e' }));
    rows.list([...objects, { key: 'stays', size: 0, etag: 'e' }], scopeOf(''), 1);
    rows.list([{ key: 'stays', size: 0, etag: 'e' }], scopeOf(''), 2);
    const adoption = { ...ADOPTION, generation: 2 };
    const left = () => rows.gone(2, 0).count;
    expect(left()).toBe(OBJECTS);
    // Too few requests for more than one batch.
    expect(await forgetSlice(adoption, contextOf('what goes', rows, 100))).toBe(false);
    expect(left()).toBe(OBJECTS - 400);
    expect(await forgetSlice(adoption, contextOf('what goes', rows, 1000))).toBe(true);
    expect(left()).toBe(0);
    expect(rows.byKey(2, '', 10).map(({ key }) => key)).toEqual(['stays']);
  });
});
