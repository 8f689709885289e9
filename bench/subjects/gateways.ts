import { randomFillSync } from 'node:crypto';
import { adopted, operator, R2_GATEWAY } from '../../test/support/gateways.ts';
import { BLOCK_BYTES, bearer, request, sign } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { download, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuPer, cpuSeconds, inTurn, median } from '../measure.ts';
import { lookUps } from '../places/look-ups.ts';
import type { Row } from '../report.ts';

const MIB = 2 ** 20;
const READS_PER_ROUND = 12;
const RANGE_BYTES = MIB;
/** Hashed in blocks of 64 MiB: too large for its ETag to name a block. */
const LARGE_BYTES = 128 * MIB;
const LARGE_OBJECTS = 8;
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
  const storedFile = await putFile(edge);
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
  const bareRange = () =>
    seconds(
      () => `${floor.url}/${hash}?offset=${offset()}&length=${RANGE_BYTES}`,
      () => ({}),
    );
  const rangeOf = (address: string) => () =>
    seconds(
      () => address,
      () => {
        const from = offset();
        return { ...token, range: `bytes=${from}-${from + RANGE_BYTES - 1}` };
      },
    );
  const ranges = await inTurn(rounds, { floor: bareRange, edge: rangeOf(file) });
  // What a file costs besides its bytes (who asks, whether the collection may still be read, which block) is the same for both.
  const besideStored = await inTurn(rounds, { floor: rangeOf(storedFile), edge: rangeOf(file) });

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
    { what: '1 MiB of an adopted file / of a stored one', ...besideStored, unit: 'ms', target: { atMost: 1.15 } },
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

/** A file of one block that is stored in Keep. @returns its address */
async function putFile(edge: TestService): Promise<string> {
  const body = randomFillSync(new Uint8Array(BLOCK_BYTES));
  const stored = await request(`${edge.url}/`, { method: 'POST', body });
  const made = await request(`${edge.url}/arvados/v1/collections`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ collection: { manifest_text: `. ${stored.text.trim()} 0:${BLOCK_BYTES}:block\n` } }),
  });
  return `${edge.url}/c=${JSON.parse(made.text).uuid}/block`;
}

async function manifestOf(edge: TestService, id: string): Promise<string> {
  return (await operator(edge, `adoptions/${id}/manifest`)).json.manifest_text;
}

function inMs({ edge, floor, ratio }: { edge: number; floor: number; ratio: number }) {
  return { edge: edge * 1000, floor: floor * 1000, ratio };
}
