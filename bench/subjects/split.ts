import { openProfiler } from '../../test/load/profile.ts';
import { createCollection } from '../../test/support/collections.ts';
import { BLOCK_BYTES, putBlock, randomBlock, sign } from '../../test/support/keep.ts';
import { startService, type TestService } from '../../test/support/service.ts';
import { requestsPerSecond } from '../clients.ts';
import type { Subject } from '../context.ts';
import { cpuSeconds } from '../measure.ts';
import type { Row } from '../report.ts';

const REQUESTS = 1000;
const CLIENTS = 4;
const FILE_BYTES = 1024;
const RANGE_BYTES = 64 * 1024;
const SIMULATORS = ['r2', 'r2Entry', 'd1', 'd1Entry', 'cache', 'cacheEntry'] as const;

/**
 * Whose the processor time of a small read is: the Worker's own script, the scripts that simulate the platform's stores here, and the
 * rest: the runtime, its connections and SQLite. Scripts are sampled by the runtime's inspector, one isolate at a time.
 */
export const split: Subject = {
  name: 'split',
  async run({ say }) {
    const rows: Row[] = [];
    {
      await using edge = await startService({ inspect: true });
      const blocks = Array.from({ length: REQUESTS }, () => randomBlock(FILE_BYTES));
      for (const block of blocks) await putBlock(edge.url, block);
      const segments = blocks.map((_, i) => `${i * FILE_BYTES}:${FILE_BYTES}:f${i}`).join(' ');
      const manifest = `. ${blocks.map(({ locator }) => locator).join(' ')} ${segments}\n`;
      const { uuid, portable_data_hash: hash } = await createCollection(edge, manifest);
      for (const [what, urls] of [
        ['file of 1 KB by UUID', blocks.map((_, i) => `${edge.url}/c=${uuid}/f${i}`)],
        ['file of 1 KB by hash', blocks.map((_, i) => `${edge.url}/c=${hash}/f${i}`)],
        ['signed block of 1 KB', blocks.map(({ locator }) => `${edge.url}/${sign(locator)}`)],
      ] as const) {
        say(what);
        rows.push(...(await parts(edge, what, [...urls])));
      }
    }
    await using edge = await startService({ inspect: true, vars: { EDGE_CACHE: 'off' } });
    const block = randomBlock(BLOCK_BYTES);
    await putBlock(edge.url, block);
    const { uuid } = await createCollection(edge, `. ${block.locator} 0:${BLOCK_BYTES}:file\n`);
    const urls = Array.from({ length: REQUESTS }, () => {
      const at = Math.floor(Math.random() * (BLOCK_BYTES - RANGE_BYTES));
      return `${edge.url}/c=${uuid}/file bytes=${at}-${at + RANGE_BYTES - 1}`;
    });
    const what = 'range of 64 KiB by UUID, without the edge cache';
    say(what);
    rows.push(...(await parts(edge, what, urls)));
    return rows;
  },
};

async function parts(service: TestService, what: string, urls: string[]): Promise<Row[]> {
  const run = () => requestsPerSecond(urls, { connections: CLIENTS, seconds: 0 });
  await run();
  await run();
  const before = cpuSeconds(service.workerdPid);
  await run();
  const all = ((cpuSeconds(service.workerdPid) - before) * 1000) / urls.length;
  const sampled = async (isolate: Parameters<typeof openProfiler>[1]) => {
    const profiler = await openProfiler(service.inspectorUrl ?? '', isolate);
    await profiler.start();
    await run();
    const { inScript } = await profiler.stop();
    profiler.close();
    return inScript / urls.length;
  };
  const own = await sampled('worker');
  let simulators = 0;
  for (const isolate of SIMULATORS) simulators += await sampled(isolate);
  return [
    { what: `${what}: all`, edge: all, unit: 'ms CPU' },
    { what: `${what}: the Worker's script`, edge: own, unit: 'ms CPU' },
    { what: `${what}: scripts of simulators`, edge: simulators, unit: 'ms CPU' },
    { what: `${what}: runtime, connections, SQLite`, edge: all - own - simulators, unit: 'ms CPU' },
  ];
}
