import { randomFillSync } from 'node:crypto';
import { adopted, operator, R2_GATEWAY } from '../../test/support/gateways.ts';
import { BLOCK_BYTES, bearer, request, sign } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { download, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuPer, cpuSeconds, inTurn, median } from '../measure.ts';
import type { Row } from '../report.ts';

const MIB = 2 ** 20;
const READS_PER_ROUND = 12;
const RANGE_BYTES = MIB;
/** Hashed in blocks of 64 MiB: too large for its ETag to name a block. */
const LARGE_BYTES = 128 * MIB;
const LARGE_OBJECTS = 8;
/** BENCH_ENTRIES=10000000 takes some minutes and 3 GB of disk. */
const ENTRIES = [1000, Number(process.env.BENCH_ENTRIES ?? '1000000')];
const LOOKUPS = 400;
const SHARDS = 64;
const D1_ROWS_PER_PART = 200_000;
const token = bearer(ROOT_TOKEN);

/** Data that lies in another bucket: read through a gateway against a bare ranged read, adopted against MD5 alone, and looked up. */
export const gateways: Subject = {
  name: 'gateway',
  async run(context) {
    return [...(await readsAndAdoption(context)), ...(await lookUps(context))];
  },
};

async function readsAndAdoption(context: BenchContext): Promise<Row[]> {
  const { rounds, say, md5Seconds } = context;
  await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
  await using edge = await startService({
    r2: ['LAKE'],
    vars: {
      EDGE_CACHE: 'off',
      GATEWAYS: { [R2_GATEWAY]: { Name: 'lake', Driver: 'R2', DriverParameters: { Binding: 'LAKE', Bucket: 'lake' } } },
    },
  });
  const data = randomFillSync(new Uint8Array(BLOCK_BYTES));
  await edge.r2('LAKE').put('one/block', data);
  const job = await adopted(edge, { source: 's3://lake/one' });
  const manifest = await manifestOf(edge, job.id);
  const [locator = ''] = /[0-9a-f]{32}\+\d+/.exec(manifest) ?? [];
  const hash = locator.slice(0, 32);
  await upload(`${floor.url}/${hash}`, data);
  const made = await request(`${edge.url}/arvados/v1/collections`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ collection: { manifest_text: manifest } }),
  });
  const file = `${edge.url}/c=${JSON.parse(made.text).uuid}/block`;
  const per = (service: TestService, url: () => string, bytes: number, headers: () => Record<string, string>) => () =>
    cpuPer(service.workerdPid, READS_PER_ROUND, () => download(url(), bytes, headers()));

  say('GET of an adopted block of 64 MiB');
  const bareWhole = `${floor.url}/${hash}?offset=0&length=${BLOCK_BYTES}`;
  const whole = await inTurn(rounds, {
    floor: per(
      floor,
      () => bareWhole,
      BLOCK_BYTES,
      () => ({}),
    ),
    edge: per(
      edge,
      () => `${edge.url}/${sign(locator)}`,
      BLOCK_BYTES,
      () => token,
    ),
  });
  say('ranges of 1 MiB of an adopted file');
  const offset = () => Math.floor(Math.random() * (BLOCK_BYTES - RANGE_BYTES));
  const seconds = async (url: () => string, headers: () => Record<string, string>) => {
    const started = performance.now();
    for (let i = 0; i < 10 * READS_PER_ROUND; i++) await download(url(), RANGE_BYTES, headers());
    return (performance.now() - started) / (10 * READS_PER_ROUND);
  };
  const ranges = await inTurn(rounds, {
    floor: () =>
      seconds(
        () => `${floor.url}/${hash}?offset=${offset()}&length=${RANGE_BYTES}`,
        () => ({}),
      ),
    edge: () =>
      seconds(
        () => file,
        () => {
          const from = offset();
          return { ...token, range: `bytes=${from}-${from + RANGE_BYTES - 1}` };
        },
      ),
  });

  say('adoption of 1 GiB that has to be hashed');
  for (let i = 0; i < LARGE_OBJECTS; i++) {
    const large = randomFillSync(new Uint8Array(LARGE_BYTES));
    await edge.r2('LAKE').put(`large/${i}`, large);
    if (i === 0) await floor.r2('BLOCKS').put('large', large);
  }
  const before = cpuSeconds(edge.workerdPid);
  await adopted(edge, { source: 's3://lake/large' });
  const adoption = cpuSeconds(edge.workerdPid) - before;
  const blocks = (LARGE_OBJECTS * LARGE_BYTES) / BLOCK_BYTES;
  const md5 = median(Array.from({ length: 5 }, md5Seconds)) * blocks;
  const reading =
    blocks *
    (await cpuPer(floor.workerdPid, 8, () =>
      download(`${floor.url}/large?offset=0&length=${BLOCK_BYTES}`, BLOCK_BYTES, {}),
    ));
  return [
    { what: 'GET of an adopted 64 MiB / bare ranged GET', ...inMs(whole), unit: 'ms CPU', target: { atMost: 1.15 } },
    { what: '1 MiB of an adopted file / bare ranged GET', ...ranges, unit: 'ms', target: { atMost: 1.15 } },
    {
      what: 'adoption of 1 GiB / MD5 alone',
      edge: adoption,
      floor: md5,
      ratio: adoption / md5,
      unit: 's CPU',
      target: { atMost: 1.3 },
    },
    {
      what: 'adoption of 1 GiB / (bare reads of it + MD5)',
      edge: adoption,
      floor: reading + md5,
      ratio: adoption / (reading + md5),
      unit: 's CPU',
    },
  ];
}

async function manifestOf(edge: TestService, id: string): Promise<string> {
  return (await operator(edge, `adoptions/${id}/manifest`)).json.manifest_text;
}

/** The map kept in Durable Objects, as it is, and how D1 and objects in R2 would do. */
async function lookUps({ say }: BenchContext): Promise<Row[]> {
  await using places = await startService({ configFile: 'bench/places/wrangler.toml' });
  const rows: Row[] = [];
  const fill = async (store: string, count: number, parts: number) => {
    for (let part = 0; part < parts; part++)
      await request(`${places.url}/fill?store=${store}&count=${count}&part=${part}`, { method: 'POST' });
  };
  const measure = async (store: string, count: number) => {
    // From outside: a Worker's own clock has whole milliseconds. One request makes all look-ups, one after the other.
    const once = async () => {
      const started = performance.now();
      const answer = await request(`${places.url}/find?store=${store}&count=${count}&times=${LOOKUPS}`);
      if (answer.status !== 200) throw new Error(`look-ups in ${store}: ${answer.text}`);
      return (performance.now() - started) / LOOKUPS;
    };
    await once();
    return median([await once(), await once(), await once()]);
  };
  for (const count of ENTRIES) {
    const n = count.toLocaleString('en-US');
    say(`look-ups among ${n} entries`);
    await fill('objects', count, SHARDS);
    rows.push({ what: `look-up among ${n}, Durable Objects`, edge: await measure('objects', count), unit: 'ms' });
    await fill('d1', count, Math.ceil(count / D1_ROWS_PER_PART));
    rows.push({ what: `look-up among ${n}, D1`, edge: await measure('d1', count), unit: 'ms' });
  }
  const [few = 0] = ENTRIES;
  await fill('r2', few, 1);
  rows.push({
    what: `look-up among ${few.toLocaleString('en-US')}, objects in R2`,
    edge: await measure('r2', few),
    unit: 'ms',
  });
  return rows;
}

function inMs({ edge, floor, ratio }: { edge: number; floor: number; ratio: number }) {
  return { edge: edge * 1000, floor: floor * 1000, ratio };
}
