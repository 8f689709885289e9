import { createHash } from 'node:crypto';
import { BLOCK_BYTES, bearer, md5, putBlock, randomBlock, sign, type TestBlock } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { download, growthUnderSlowClients, requestsPerSecond, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuPer, inTurn, residentBytes } from '../measure.ts';
import type { Row } from '../report.ts';

const READS_PER_ROUND = 16;
const WRITES_PER_ROUND = 6;
const SMALL_BLOCKS = 256;
const MIB = 2 ** 20;
const token = bearer(ROOT_TOKEN);
const dataKey = (hash: string) => `${hash.slice(0, 3)}/${hash}`;

/** Blocks through the Worker, held against a bare R2 pass-through. */
export const blocks: Subject = {
  name: 'blocks',
  async run(context) {
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    await using edge = await startService({ vars: { EDGE_CACHE: false } });
    // Hashes also where the store has an MD5: the cost of hashing without that of reading parts, which local R2 does in script.
    await using hashing = await startService({ vars: { EDGE_CACHE: false, VERIFY_READS: 'always' } });
    return [
      ...(await reads(context, floor, edge, hashing)),
      ...(await writes(context, floor, edge)),
      ...(await smallReads(context, floor, edge)),
    ];
  },
};

/** Attested and hashed reads of whole blocks, one after the other, and the memory that slow readers take. */
async function reads(
  { rounds, say, md5Seconds }: BenchContext,
  floor: TestService,
  edge: TestService,
  hashing: TestService,
): Promise<Row[]> {
  const block = randomBlock(BLOCK_BYTES);
  const inParts = randomBlock(BLOCK_BYTES);
  for (const service of [edge, hashing]) await putBlock(service.url, block);
  await putBlock(edge.url, inParts);
  await edge.r2('BLOCKS').putInParts(dataKey(inParts.hash), inParts.data);
  await upload(`${floor.url}/${block.hash}`, block.data);
  await floor.r2('BLOCKS').putInParts(inParts.hash, inParts.data);
  const read = (service: TestService, { locator, hash }: TestBlock) => {
    const url = service === floor ? `${floor.url}/${hash}` : `${service.url}/${sign(locator)}`;
    return cpuPer(service.workerdPid, READS_PER_ROUND, () => download(url, BLOCK_BYTES, token));
  };

  say('GET of 64 MiB that the store attests');
  const attested = await inTurn(rounds, { floor: () => read(floor, block), edge: () => read(edge, block) });
  say('GET of 64 MiB that is hashed');
  const hashed = await inTurn(rounds, {
    floor: async () => (await read(floor, block)) + md5Seconds(),
    edge: () => read(hashing, block),
  });
  say('GET of 64 MiB that was written in parts');
  const parts = await inTurn(Math.min(rounds, 3), {
    floor: async () => (await read(floor, inParts)) + md5Seconds(),
    edge: () => read(edge, inParts),
  });

  const growth: Row[] = [];
  for (const [what, service] of [
    ['attested', edge],
    ['hashed', hashing],
  ] as const) {
    say(`32 slow clients, ${what}`);
    const added = await growthUnderSlowClients(service.workerdPid, service.url, `/${sign(block.locator)}`, token);
    const bare = await growthUnderSlowClients(floor.workerdPid, floor.url, `/${block.hash}`, {});
    growth.push({
      what: `memory that 32 slow clients add, ${what}`,
      edge: added / MIB,
      floor: bare / MIB,
      unit: 'MiB',
      target: { atMost: 64 },
    });
  }
  return [
    { what: 'MD5 of 64 MiB, OpenSSL', edge: md5Seconds() * 1000, unit: 'ms CPU' },
    inMilliseconds('attested GET of 64 MiB / bare GET', attested, 1.15),
    inMilliseconds('hashed GET of 64 MiB / (bare GET + MD5)', hashed, 1.2),
    inMilliseconds('GET of 64 MiB in parts / (bare GET of it + MD5)', parts, 1.2),
    { what: 'resident memory after hashed reads', edge: residentBytes(hashing.workerdPid) / MIB, unit: 'MiB' },
    ...growth,
  ];
}

/** First writes of whole blocks. Each body is new: the same one again would only be compared. */
async function writes({ rounds, say }: BenchContext, floor: TestService, edge: TestService): Promise<Row[]> {
  say('PUT of 64 MiB');
  const { data } = randomBlock(BLOCK_BYTES);
  let serial = 0;
  const writeTo = (service: TestService, keyOf: (hash: string) => string) => async () => {
    const hashes: string[] = [];
    const seconds = await cpuPer(service.workerdPid, WRITES_PER_ROUND, async () => {
      new DataView(data.buffer).setUint32(0, ++serial);
      const hash = createHash('md5').update(data).digest('hex');
      hashes.push(hash);
      await upload(`${service.url}/${hash}`, data, token);
    });
    for (const hash of hashes) await service.r2('BLOCKS').delete(keyOf(hash));
    return seconds;
  };
  const put = await inTurn(rounds, { floor: writeTo(floor, (hash) => hash), edge: writeTo(edge, dataKey) });
  return [inMilliseconds('PUT of 64 MiB / bare PUT with md5', put, 1.15)];
}

/** Blocks that are asked for again and again, from a service as it is set up by default and from one without a cache. */
async function smallReads({ rounds, say }: BenchContext, floor: TestService, uncached: TestService): Promise<Row[]> {
  await using cached = await startService();
  // Without the platform's cache, which local runs do not have: what the call between both entrypoints costs.
  await using tiered = await startService({ vars: { EDGE_CACHE: 'tiered' } });
  const small = Array.from({ length: SMALL_BLOCKS }, () => randomBlock(1024));
  for (const block of small) {
    for (const service of [cached, uncached, tiered]) await putBlock(service.url, block);
    await upload(`${floor.url}/${md5(block.data)}`, block.data);
  }
  const bare = () => requestsPerSecond(small.map((block) => `${floor.url}/${block.hash}`));
  const signed = ({ url }: TestService) => requestsPerSecond(small.map((block) => `${url}/${sign(block.locator)}`));
  say('signed GETs of 1 KiB');
  const ours = await inTurn(rounds, { floor: bare, edge: () => signed(cached) });
  say('signed GETs of 1 KiB, without the edge cache');
  const slower = await inTurn(rounds, { floor: bare, edge: () => signed(uncached) });
  say('signed GETs of 1 KiB, through the entrypoint of the tiered cache');
  const hops = await inTurn(rounds, { floor: () => signed(uncached), edge: () => signed(tiered) });
  return [
    { what: 'through the entrypoint of the tiered cache / without', ...hops, unit: '/s', target: { atLeast: 0.9 } },
    { what: 'signed GETs of 1 KiB a second / bare GETs', ...ours, unit: '/s', target: { atLeast: 0.85 } },
    { what: 'the same without the edge cache', ...slower, unit: '/s' },
  ];
}

function inMilliseconds(
  what: string,
  { edge, floor, ratio }: { edge: number; floor: number; ratio: number },
  atMost: number,
): Row {
  return { what, edge: edge * 1000, floor: floor * 1000, unit: 'ms CPU', ratio, target: { atMost } };
}
