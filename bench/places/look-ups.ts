import { request } from '../../test/support/keep.ts';
import { startService, type TestService } from '../../test/support/service.ts';
import type { BenchContext } from '../context.ts';
import { median } from '../measure.ts';
import type { Row } from '../report.ts';

/**
 * BENCH_ENTRIES=10000000 takes some minutes and 3 GB of disk. With BENCH_PLACES naming a directory what was filled is kept there:
 * `node bench/places/fill.ts` fills it, so that the measurement can wait for a quiet machine.
 */
const ENTRIES = [1000, Number(process.env.BENCH_ENTRIES ?? '1000000')];
const STATE = process.env.BENCH_PLACES;
const LOOKUPS = 400;
const SHARDS = 64;
const D1_ROWS_PER_PART = 200_000;
const STORES = { objects: 'Durable Objects', d1: 'D1', r2: 'objects in R2' };

type Store = keyof typeof STORES;

/** The map kept in Durable Objects, as it is, and how D1 and objects in R2 would do. */
export async function lookUps({ say }: BenchContext): Promise<Row[]> {
  await using places = await startPlaces();
  const rows: Row[] = [];
  for (const { store, count } of subjects()) {
    const what = `look-up among ${count.toLocaleString('en-US')}, ${STORES[store]}`;
    say(what);
    await fill(places, store, count);
    rows.push({ what, edge: await measure(places, store, count), unit: 'ms' });
  }
  return rows;
}

export async function fillAll(say: (line: string) => void): Promise<void> {
  await using places = await startPlaces();
  for (const { store, count } of subjects()) {
    const started = performance.now();
    await fill(places, store, count);
    say(`${count} entries in ${STORES[store]}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
}

function startPlaces(): Promise<TestService> {
  return startService({
    configFile: 'bench/places/wrangler.toml',
    ...(STATE === undefined ? {} : { state: STATE }),
  });
}

function subjects(): { store: Store; count: number }[] {
  const databases = ENTRIES.flatMap((count) => (['objects', 'd1'] as const).map((store) => ({ store, count })));
  return [...databases, { store: 'r2', count: ENTRIES[0] ?? 0 }];
}

async function fill(places: TestService, store: Store, count: number): Promise<void> {
  const parts = { objects: SHARDS, d1: Math.ceil(count / D1_ROWS_PER_PART), r2: 1 }[store];
  for (let part = 0; part < parts; part++) {
    const url = `${places.url}/fill?store=${store}&count=${count}&part=${part}`;
    const answer = await request(url, { method: 'POST' });
    if (answer.status !== 200) throw new Error(`filling ${store}: ${answer.text}`);
  }
}

/** From outside: a Worker's own clock has whole milliseconds. One request makes all look-ups, one after the other. */
async function measure(places: TestService, store: Store, count: number): Promise<number> {
  const once = async () => {
    const started = performance.now();
    const answer = await request(`${places.url}/find?store=${store}&count=${count}&times=${LOOKUPS}`);
    if (answer.status !== 200) throw new Error(`look-ups in ${store}: ${answer.text}`);
    return (performance.now() - started) / LOOKUPS;
  };
  await once();
  return median([await once(), await once(), await once()]);
}
