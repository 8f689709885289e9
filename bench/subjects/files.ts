import { createCollection } from '../../test/support/collections.ts';
import { bearer, putBlock, randomBlock, request, sign } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { requestsPerSecond, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, median } from '../measure.ts';
import type { Row } from '../report.ts';

const FILES = 1000;
const FILE_BYTES = 1024;
const token = bearer(ROOT_TOKEN);

/** What is asked for, one URL for each file or block. */
interface Sample {
  perSecond: number;
  /** Processor time of the runtime and of all that it simulates. */
  cpuMs: number;
  storeReads: number;
  rowsWritten: number;
}

/** Small files, each read once: packed together as the command line packs them, and one block each. */
export const files: Subject = {
  name: 'files',
  async run(context) {
    const rows: Row[] = [];
    for (const [name, vars] of [
      ['as it is set up', {}],
      ['READ_STALENESS = 5s', { READ_STALENESS: '5s' }],
    ] as const)
      rows.push(...(await measure(context, name, vars)));
    return rows;
  },
};

async function measure({ rounds, say }: BenchContext, setUp: string, vars: Record<string, string>): Promise<Row[]> {
  await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
  await using edge = await startService({ vars });
  const rows: Row[] = [];
  for (const clients of [4, 64]) {
    const cold: Sample[] = [];
    const warm: Sample[] = [];
    const packed: Sample[] = [];
    const blocks: Sample[] = [];
    const coldBlocks: Sample[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`${FILES} files of ${FILE_BYTES} bytes by ${clients} clients, ${setUp}, round ${round + 1}`);
      const { apart, together, signed, signedApart, hashes, data } = await store(edge);
      await upload(`${floor.url}/${hashes[0]}`, data[0] ?? new Uint8Array(0));
      cold.push(await sample(edge, apart, clients));
      warm.push(await sample(edge, apart, clients));
      packed.push(await sample(edge, together, clients));
      coldBlocks.push(await sample(edge, signedApart, clients, false));
      blocks.push(await sample(edge, signed, clients, false));
      bare.push(
        (
          await sample(
            floor,
            hashes.map(() => `${floor.url}/${hashes[0]}`),
            clients,
            false,
          )
        ).cpuMs,
      );
    }
    const of = (samples: Sample[], what: keyof Sample) => median(samples.map((taken) => taken[what]));
    const name = `by ${clients} clients, ${setUp}`;
    const block = of(blocks, 'cpuMs');
    for (const [kind, samples, held] of [
      ['own block, cold', cold, of(coldBlocks, 'cpuMs')],
      ['own block, warm', warm, block],
      ['packed, cold', packed, block],
    ] as const) {
      rows.push(
        { what: `files (${kind}) ${name}`, edge: of(samples, 'perSecond'), unit: '/s' },
        {
          what: `files (${kind}) / signed block, ${name}`,
          edge: of(samples, 'cpuMs'),
          floor: held,
          ratio: of(samples, 'cpuMs') / held,
          unit: 'ms CPU',
          ...(kind === 'own block, warm' ? { target: { atMost: 1.2 } } : {}),
        },
        { what: `store reads, ${kind}, ${name}`, edge: of(samples, 'storeReads'), unit: 'of 1000' },
        { what: `rows written, ${kind}, ${name}`, edge: of(samples, 'rowsWritten'), unit: 'of 1000' },
      );
    }
    rows.push({
      what: `signed block / bare R2 get, ${name}`,
      edge: block,
      floor: median(bare),
      ratio: block / median(bare),
      unit: 'ms CPU',
      target: { atMost: 1.25 },
    });
  }
  return rows;
}

/** New files, so that no cache knows them. */
async function store(edge: TestService) {
  const blocks = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
  const all = randomBlock(FILES * FILE_BYTES);
  // Blocks that no file is made of, for signed reads of what no cache knows.
  const others = Array.from({ length: FILES }, () => randomBlock(FILE_BYTES));
  for (const block of [...blocks, ...others, all]) await putBlock(edge.url, block);
  const segments = blocks.map((_, i) => `${i * FILE_BYTES}:${FILE_BYTES}:f${i}`).join(' ');
  const apart = await createCollection(edge, `. ${blocks.map(({ locator }) => locator).join(' ')} ${segments}\n`);
  const together = await createCollection(edge, `. ${all.locator} ${segments}\n`);
  const urls = (uuid: string) => blocks.map((_, i) => `${edge.url}/c=${uuid}/f${i}`);
  return {
    apart: urls(apart.uuid),
    together: urls(together.uuid),
    signedApart: others.map(({ locator }) => `${edge.url}/${sign(locator)}`),
    signed: blocks.map(({ locator }) => `${edge.url}/${sign(locator)}`),
    hashes: blocks.map(({ hash }) => hash),
    data: blocks.map(({ data }) => data),
  };
}

async function sample(service: TestService, urls: string[], connections: number, isLogged = true): Promise<Sample> {
  const before = await figures(service);
  const cpu = cpuSeconds(service.workerdPid);
  const perSecond = await requestsPerSecond(urls, { connections, seconds: 0 });
  const cpuMs = ((cpuSeconds(service.workerdPid) - cpu) * 1000) / urls.length;
  // Downloads are logged a little later.
  let after = await figures(service);
  for (let tries = 0; tries < 20 && isLogged && after.rows - before.rows < urls.length; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = await figures(service);
  }
  return {
    perSecond,
    cpuMs,
    storeReads: after.reads - before.reads,
    rowsWritten: after.rows - before.rows,
  };
}

/** The bare Worker has neither. */
async function figures(service: TestService): Promise<{ reads: number; rows: number }> {
  const metrics = await request(`${service.url}/metrics`, { token: service.managementToken });
  if (metrics.status !== 200) return { reads: 0, rows: 0 };
  const reads = /^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(metrics.text)?.[1];
  const filters = encodeURIComponent('[["event_type","=","file_download"]]');
  const logs = await fetch(`${service.url}/arvados/v1/logs?limit=0&count=exact&filters=${filters}`, { headers: token });
  const { items_available: rows = 0 } = (await logs.json()) as { items_available?: number };
  return { reads: Number(reads ?? 0), rows };
}
