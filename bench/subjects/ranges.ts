import { createCollection } from '../../test/support/collections.ts';
import { BLOCK_BYTES, putBlock, randomBlock, request } from '../../test/support/keep.ts';
import { startService, type TestService } from '../../test/support/service.ts';
import { requestsPerSecond, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, inTurn, storeReads } from '../measure.ts';
import type { Row } from '../report.ts';

const KIB = 1024;
/** Processor time is counted in steps of 10 ms. */
const REQUESTS = 600;
const CONNECTIONS = 8;
/** Ranges of a block that the edge cache has. */
const CACHED_BYTES = 8 * KIB * KIB;

/** Ranges of a file in one block, held against a bare Worker that reads the same range of the same object from R2. */
export const ranges: Subject = {
  name: 'ranges',
  async run(context) {
    const rows: Row[] = [];
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    const block = randomBlock(BLOCK_BYTES);
    await upload(`${floor.url}/${block.hash}`, block.data);
    for (const [kind, vars] of [
      ['attested', { VERIFY_READS: 'attested' }],
      ['verified', { VERIFY_READS: 'always' }],
    ] as const) {
      await using edge = await startService({ vars: { ...vars, EDGE_CACHE: 'off' } });
      await putBlock(edge.url, block);
      const made = await createCollection(edge, `. ${block.locator} 0:${BLOCK_BYTES}:file\n`);
      const url = `${edge.url}/c=${made.uuid}/file`;
      rows.push(await first(edge, url, kind));
      const bare = `${floor.url}/${block.hash}`;
      for (const bytes of [64 * KIB, KIB * KIB]) {
        rows.push(...(await compare(context, { floor, edge, url, bare, kind, bytes })));
        rows.push(...(await compare(context, { floor, edge, url, bare, kind, bytes, looksUp: true })));
      }
      // An address that names the content: no look into the database whether it has changed.
      const fixed = `${edge.url}/c=${made.portable_data_hash}/file`;
      rows.push(...(await compare(context, { floor, edge, url: fixed, bare, kind, bytes: 64 * KIB, of: 'by hash' })));
    }
    await using edge = await startService();
    const small = randomBlock(CACHED_BYTES);
    await putBlock(edge.url, small);
    const { uuid } = await createCollection(edge, `. ${small.locator} 0:${CACHED_BYTES}:file\n`);
    await upload(`${floor.url}/${small.hash}`, small.data);
    // A whole block of the block API fills the cache.
    const url = `${edge.url}/c=${uuid}/file`;
    await request(`${edge.url}/${await putBlock(edge.url, small)}`);
    for (const bytes of [64 * KIB, KIB * KIB]) {
      const sides = { floor, edge, url, bare: `${floor.url}/${small.hash}`, kind: 'cached', bytes } as const;
      rows.push(...(await compare(context, sides, CACHED_BYTES)));
    }
    for (const bytes of [64 * KIB, KIB * KIB]) rows.push(...(await fromEndToEnd(edge, bytes)));
    return rows;
  },
};

/** A block that no cache has, read in ranges that follow each other: how often the store is asked, and how often the second time. */
async function fromEndToEnd(edge: TestService, bytes: number): Promise<Row[]> {
  const block = randomBlock(BLOCK_BYTES);
  await putBlock(edge.url, block);
  const { uuid } = await createCollection(edge, `. ${block.locator} 0:${BLOCK_BYTES}:file\n`);
  const lines = Array.from(
    { length: BLOCK_BYTES / bytes },
    (_, i) => `${edge.url}/c=${uuid}/file bytes=${i * bytes}-${(i + 1) * bytes - 1}`,
  );
  const rows: Row[] = [];
  for (const time of ['', ', the second time']) {
    const before = await storeReads(edge);
    await requestsPerSecond(lines, { connections: 4, seconds: 0 });
    const reads = (await storeReads(edge)) - before;
    const what = `store reads of a block of 64 MiB in ${lines.length} ranges, cache on${time}`;
    rows.push({ what, edge: reads, unit: 'reads' });
  }
  return rows;
}

/** In a new isolate; with `always` that is also the first time that the block is hashed. */
async function first(edge: TestService, url: string, kind: string): Promise<Row> {
  const before = cpuSeconds(edge.workerdPid);
  const { status } = await request(url, { headers: { range: 'bytes=5000000-5065535' } });
  if (status !== 206) throw new Error(`${url}: ${status}`);
  return {
    what: `first range of a block, ${kind}`,
    edge: (cpuSeconds(edge.workerdPid) - before) * 1000,
    unit: 'ms CPU',
  };
}

interface Sides {
  floor: TestService;
  edge: TestService;
  url: string;
  bare: string;
  kind: 'attested' | 'verified' | 'cached';
  bytes: number;
  /** How the collection is named, if not by its UUID. */
  of?: 'by hash';
  /** The bare Worker looks up a row of a database too, as a collection's UUID takes. */
  looksUp?: true;
}

async function compare(
  { rounds, say }: BenchContext,
  { floor, edge, url, bare, kind, bytes, of, looksUp }: Sides,
  size = BLOCK_BYTES,
): Promise<Row[]> {
  const name = `ranges of ${bytes / KIB} KiB, ${kind}${of === undefined ? '' : `, ${of}`}`;
  say(name);
  const cpu = { floor: [] as number[], edge: [] as number[] };
  const offsets = () => Array.from({ length: REQUESTS }, () => Math.floor(Math.random() * (size - bytes)));
  const run = async (side: 'floor' | 'edge', service: TestService, lines: string[]) => {
    const before = cpuSeconds(service.workerdPid);
    const rate = await requestsPerSecond(lines, { connections: CONNECTIONS, seconds: 0 });
    cpu[side].push(((cpuSeconds(service.workerdPid) - before) * 1000) / REQUESTS);
    return rate;
  };
  const also = `${kind === 'verified' ? '&checked' : ''}${looksUp ? '&row' : ''}`;
  const other = looksUp ? 'bare that looks up a row' : 'bare';
  const rate = await inTurn(rounds, {
    floor: () =>
      run(
        'floor',
        floor,
        offsets().map((at) => `${bare}?offset=${at}&length=${bytes}${also}`),
      ),
    edge: () =>
      run(
        'edge',
        edge,
        offsets().map((at) => `${url} bytes=${at}-${at + bytes - 1}`),
      ),
  });
  const least = (values: number[]) => Math.min(...values);
  return [
    {
      what: `${name} a second / ${other}`,
      ...rate,
      unit: '/s',
      ...(kind === 'attested' && !looksUp ? { target: { atLeast: 0.85 } } : {}),
    },
    {
      what: `processor time, ${name} / ${other}${kind === 'verified' ? ', read and hash' : ''}`,
      edge: least(cpu.edge),
      floor: least(cpu.floor),
      ratio: least(cpu.edge) / least(cpu.floor),
      unit: 'ms CPU',
      ...(kind === 'verified' && !looksUp ? { target: { atMost: 1.3 } } : {}),
    },
  ];
}
