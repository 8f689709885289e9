import { createHash } from 'node:crypto';
import { Agent, get } from 'node:http';
import { createCollection } from '../../test/support/collections.ts';
import { BLOCK_BYTES, bearer, putBlock, randomBlock } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { download, upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuSeconds, inTurn, residentBytes } from '../measure.ts';
import type { Row } from '../report.ts';

const MIB = 2 ** 20;
const FILE_BLOCKS = 16;
const LONG_FILE_BLOCKS = 160;
const RANGE_BYTES = MIB;
const RANGES_PER_ROUND = 400;
const CONNECTIONS = 8;
/** A large manifest: 800 files, 100 blocks each, 16 segments a block. */
const MANY = { files: 800, blocks: 100, segments: 16 };
const token = bearer(ROOT_TOKEN);
const ZIP = '?accept=application/zip&disposition=attachment';

/** Files of collections, held against a bare Worker that pipes the same objects. */
export const downloads: Subject = {
  name: 'downloads',
  async run(context) {
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    await using edge = await startService();
    const block = randomBlock(BLOCK_BYTES);
    await putBlock(edge.url, block);
    await upload(`${floor.url}/${block.hash}`, block.data);
    const manifest = (blocks: number) =>
      `. ${Array.from({ length: blocks }, () => block.locator).join(' ')} 0:${blocks * BLOCK_BYTES}:file\n`;
    const file = await createCollection(edge, manifest(FILE_BLOCKS));
    const long = await createCollection(edge, manifest(LONG_FILE_BLOCKS));
    const fileUrl = `${edge.url}/c=${file.uuid}/file`;
    const bareUrl = `${floor.url}/${Array.from({ length: FILE_BLOCKS }, () => block.hash).join(',')}?bytes=${FILE_BLOCKS * BLOCK_BYTES}`;
    return [
      ...(await wholeFile(context, floor, edge, fileUrl, bareUrl)),
      ...(await randomRanges(context, `${floor.url}/${block.hash}`, fileUrl)),
      ...(await archive(context, edge, fileUrl)),
      ...(await longFile(context, edge, `${edge.url}/c=${long.uuid}/file`)),
      ...(await largeManifest(context)),
    ];
  },
};

/** Speed of one download in MiB a second, and the processor time of a GiB. */
async function speed(service: TestService, url: string, bytes: number) {
  const cpu = cpuSeconds(service.workerdPid);
  const started = performance.now();
  await download(url, bytes, token);
  const seconds = (performance.now() - started) / 1000;
  return { rate: bytes / MIB / seconds, cpu: cpuSeconds(service.workerdPid) - cpu };
}

async function wholeFile(
  { rounds, say }: BenchContext,
  floor: TestService,
  edge: TestService,
  fileUrl: string,
  bareUrl: string,
): Promise<Row[]> {
  say('a file of 1 GiB in blocks of 64 MiB');
  const bytes = FILE_BLOCKS * BLOCK_BYTES;
  const cpu = { floor: [] as number[], edge: [] as number[] };
  const side = (name: 'floor' | 'edge', service: TestService, url: string) => async () => {
    const measured = await speed(service, url, bytes);
    cpu[name].push(measured.cpu);
    return measured.rate;
  };
  const rate = await inTurn(rounds, { floor: side('floor', floor, bareUrl), edge: side('edge', edge, fileUrl) });
  const least = (values: number[]) => Math.min(...values);
  return [
    { what: 'file of 1 GiB / the same objects piped', ...rate, unit: 'MiB/s', target: { atLeast: 0.9 } },
    { what: 'processor time of 1 GiB', edge: least(cpu.edge), floor: least(cpu.floor), unit: 's CPU' },
  ];
}

async function randomRanges({ rounds, say }: BenchContext, bareUrl: string, fileUrl: string): Promise<Row[]> {
  say('random ranges of 1 MiB');
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const run = async (fetchAt: (offset: number) => Promise<void>) => {
    const started = performance.now();
    let left = RANGES_PER_ROUND;
    const lane = async () => {
      while (left-- > 0) await fetchAt(Math.floor(Math.random() * (BLOCK_BYTES - RANGE_BYTES)));
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    return RANGES_PER_ROUND / ((performance.now() - started) / 1000);
  };
  const range = (at: number) => ({ ...token, range: `bytes=${at}-${at + RANGE_BYTES - 1}` });
  const paired = await inTurn(rounds, {
    floor: () => run((at) => fetchBytes(agent, `${bareUrl}?offset=${at}&length=${RANGE_BYTES}`, {}, RANGE_BYTES)),
    edge: () => run((at) => fetchBytes(agent, fileUrl, range(at), RANGE_BYTES)),
  });
  agent.destroy();
  return [{ what: 'ranges of 1 MiB a second / bare ranged GETs', ...paired, unit: '/s' }];
}

/** The first time checksums are computed on the way; later they are known. */
async function archive({ say }: BenchContext, edge: TestService, fileUrl: string): Promise<Row[]> {
  say('the same as a ZIP archive');
  const url = `${fileUrl.replace(/file$/, '')}${ZIP}`;
  const bytes = await lengthOf(url);
  const plain = await speed(edge, fileUrl, FILE_BLOCKS * BLOCK_BYTES);
  const first = await speed(edge, url, bytes);
  const again = await speed(edge, url, bytes);
  const row = (what: string, { rate }: { rate: number }) => ({
    what,
    edge: rate,
    floor: plain.rate,
    ratio: rate / plain.rate,
    unit: 'MiB/s',
  });
  return [
    row('ZIP of 1 GiB, checksums unknown / the plain file', first),
    row('ZIP of it again / the plain file', again),
  ];
}

async function longFile({ say }: BenchContext, edge: TestService, url: string): Promise<Row[]> {
  say('a file of 10 GiB');
  const before = residentBytes(edge.workerdPid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentBytes(edge.workerdPid));
  }, 50);
  const { rate, cpu } = await speed(edge, url, LONG_FILE_BLOCKS * BLOCK_BYTES);
  clearInterval(watch);
  return [
    { what: 'memory that a file of 10 GiB adds', edge: (most - before) / MIB, unit: 'MiB', target: { atMost: 64 } },
    { what: 'speed of a file of 10 GiB', edge: rate, unit: 'MiB/s' },
    { what: 'processor time of 10 GiB', edge: cpu, unit: 's CPU' },
  ];
}

async function largeManifest({ say }: BenchContext): Promise<Row[]> {
  say('a manifest of 1.28 million segments');
  await using edge = await startService();
  const text = manyFiles();
  const { uuid } = await createCollection(edge, text);
  const url = `${edge.url}/c=${uuid}/dir007/file47`;
  const timed = async () => {
    const started = performance.now();
    const answer = await fetch(url, { method: 'HEAD', headers: token });
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`);
    return performance.now() - started;
  };
  const unit = 'ms';
  const before = residentBytes(edge.workerdPid);
  const first = await timed();
  const rows: Row[] = [
    { what: 'manifest text', edge: text.length / MIB, unit: 'MiB' },
    { what: 'first file of it', edge: first, unit },
    { what: 'memory that parsing it leaves', edge: (residentBytes(edge.workerdPid) - before) / MIB, unit: 'MiB' },
    {
      what: 'next file of it',
      edge: Math.min(await timed(), await timed(), await timed()),
      unit,
      target: { atMost: 20 },
    },
  ];
  // A new isolate finds the tree in the edge cache.
  await edge.restart();
  await fetch(`${edge.url}/c=${uuid}/`, { method: 'HEAD' });
  return [...rows, { what: 'first file of it in another isolate', edge: await timed(), unit }];
}

function manyFiles(): string {
  const segment = BLOCK_BYTES / MANY.segments;
  const count = MANY.blocks * MANY.segments;
  const lines = Array.from({ length: MANY.files }, (_, file) => {
    const blocks = Array.from(
      { length: MANY.blocks },
      (_, block) => `${createHash('md5').update(`${file}:${block}`).digest('hex')}+${BLOCK_BYTES}`,
    );
    // In an order in which no segment follows the one before it in its block.
    const segments = Array.from(
      { length: count },
      (_, i) => `${((i * 7919) % count) * segment}:${segment}:file${file}`,
    );
    return `./dir${String(file % 40).padStart(3, '0')} ${[...blocks, ...segments].join(' ')}\n`;
  });
  return lines.join('');
}

async function lengthOf(url: string): Promise<number> {
  const answer = await fetch(url, { method: 'HEAD', headers: token });
  return Number(answer.headers.get('content-length'));
}

function fetchBytes(agent: Agent, url: string, headers: Record<string, string>, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (response) => {
      let left = bytes;
      response.on('data', (chunk: Buffer) => {
        left -= chunk.length;
      });
      response.on('error', reject).on('end', () => {
        if (left === 0) resolve();
        else reject(new Error(`${url}: ${response.statusCode}, ${left} bytes short`));
      });
    }).on('error', reject);
  });
}
