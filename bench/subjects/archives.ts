import { createCollection } from '../../test/support/collections.ts';
import { BLOCK_BYTES, bearer, putBlock, randomBlock, type TestBlock } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { download, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, median, storeReads } from '../measure.ts';
import type { Row } from '../report.ts';

const token = bearer(ROOT_TOKEN);
const ZIP = '?accept=application/zip&disposition=attachment';
const GIB_BLOCKS = 16;

interface Content {
  name: string;
  /** Blocks in the order of the archive's bytes. */
  blocks: TestBlock[];
  /** Lines of the manifest. */
  manifest: string;
  atMost: number;
  /** Downloads that are measured together: processor time is counted in steps of 10 ms. */
  times: number;
}

/** ZIP archives, held against a bare Worker that pipes the objects that hold the same bytes. */
export const archives: Subject = {
  name: 'archives',
  async run(context) {
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    await using edge = await startService();
    const rows: Row[] = [];
    for (const make of [tiny, middling, large]) rows.push(...(await measure(context, floor, edge, make())));
    return rows;
  },
};

/** Files of `bytes` that fill one block after another. */
function packed(
  name: string,
  count: number,
  bytes: number,
  blockBytes: number,
  { atMost, times }: Pick<Content, 'atMost' | 'times'>,
): Content {
  const perBlock = Math.floor(blockBytes / bytes);
  const blocks: TestBlock[] = [];
  const lines: string[] = [];
  for (let from = 0; from < count; from += perBlock) {
    const here = Math.min(perBlock, count - from);
    const block = randomBlock(here * bytes);
    blocks.push(block);
    const files = Array.from({ length: here }, (_, i) => `${i * bytes}:${bytes}:f${String(from + i).padStart(6, '0')}`);
    lines.push(`. ${block.locator} ${files.join(' ')}\n`);
  }
  return { name, blocks, manifest: lines.join(''), atMost, times };
}

const tiny = () => packed('20,000 files of 250 bytes', 20_000, 250, 5_000_000, { atMost: 3, times: 20 });
const middling = () => packed('2,000 files of 100 KB', 2000, 100_000, BLOCK_BYTES, { atMost: 1.2, times: 2 });

function large(): Content {
  const block = randomBlock(BLOCK_BYTES);
  const blocks = Array.from({ length: 3 * GIB_BLOCKS }, () => block);
  const bytes = GIB_BLOCKS * BLOCK_BYTES;
  const files = [0, 1, 2].map((i) => `${i * bytes}:${bytes}:file${i}`);
  const manifest = `. ${blocks.map(({ locator }) => locator).join(' ')} ${files.join(' ')}\n`;
  return { name: '3 files of 1 GiB', blocks, manifest, atMost: 1.2, times: 1 };
}

async function measure(
  { rounds, say }: BenchContext,
  floor: TestService,
  edge: TestService,
  { name, blocks, manifest, atMost, times }: Content,
): Promise<Row[]> {
  for (const block of new Set(blocks)) {
    await putBlock(edge.url, block);
    await upload(`${floor.url}/${block.hash}`, block.data);
  }
  const bytes = blocks.reduce((sum, { data }) => sum + data.length, 0);
  const bare = `${floor.url}/${blocks.map(({ hash }) => hash).join(',')}?bytes=${bytes}`;
  const side = async (service: TestService, targets: { url: string; length: number }[]) => {
    const cpu = cpuSeconds(service.workerdPid);
    const started = performance.now();
    for (const { url, length } of targets) await download(url, length, token);
    return {
      cpu: (cpuSeconds(service.workerdPid) - cpu) / targets.length,
      seconds: (performance.now() - started) / 1000 / targets.length,
    };
  };
  let made = 0;
  /** Other collections of the same files have no checksums yet. Their trees are known: what is measured is the archive. */
  const newTargets = async (count: number) => {
    const targets: { url: string; length: number }[] = [];
    for (let i = 0; i < count; i++) {
      const another = `./round${made++} d41d8cd98f00b204e9800998ecf8427e+0 0:0:none\n`;
      const { uuid } = await createCollection(edge, `${manifest}${another}`);
      const url = `${edge.url}/c=${uuid}/${ZIP}`;
      const head = await fetch(url, { method: 'HEAD', headers: token });
      targets.push({ url, length: Number(head.headers.get('content-length')) });
    }
    return targets;
  };
  // The edge cache has none of the blocks yet.
  const before = await storeReads(edge);
  const cold = await side(edge, await newTargets(1));
  const reads = (await storeReads(edge)) - before;
  const [piped, first, again] = [[], [], []] as { cpu: number; seconds: number }[][];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    say(`${name}, round ${round + 1}`);
    const targets = await newTargets(times);
    const bareTargets = targets.map(() => ({ url: bare, length: bytes }));
    piped?.push(await side(floor, bareTargets));
    first?.push(await side(edge, targets));
    again?.push(await side(edge, targets));
  }
  const of = (taken: { cpu: number; seconds: number }[] = [], what: 'cpu' | 'seconds') =>
    median(taken.map((sample) => sample[what]));
  const row = (what: string, edgeCpu: number, floorCpu: number): Row => ({
    what,
    edge: edgeCpu,
    floor: floorCpu,
    ratio: edgeCpu / floorCpu,
    unit: 's CPU',
  });
  return [
    { ...row(`ZIP of ${name} / bare pipe`, of(first, 'cpu'), of(piped, 'cpu')), target: { atMost } },
    row(`the same with an empty cache / bare pipe, ${name}`, cold.cpu, of(piped, 'cpu')),
    row(`the same again / bare pipe, ${name}`, of(again, 'cpu'), of(piped, 'cpu')),
    {
      what: `time of the second download / the first, ${name}`,
      edge: of(again, 'seconds'),
      floor: of(first, 'seconds'),
      ratio: of(again, 'seconds') / of(first, 'seconds'),
      unit: 's',
      target: { atMost: 1.1 },
    },
    { what: `store reads with an empty cache, ${name}`, edge: reads, floor: new Set(blocks).size, unit: 'reads' },
  ];
}
