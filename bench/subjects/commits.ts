import { api } from '../../test/support/api.ts';
import { createCollection, stored } from '../../test/support/collections.ts';
import { BLOCK_BYTES, bearer, blockOf, randomBlock, request, type TestBlock } from '../../test/support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import { upload } from '../clients.ts';
import type { BenchContext, Subject } from '../context.ts';
import { cpuPer, cpuSeconds, median, residentBytes } from '../measure.ts';
import type { Row } from '../report.ts';

const MIB = 2 ** 20;
const FILE_COUNTS = [100, 10_000, 200_000];
const BODY_BLOCKS = 16;
const SECONDS = 5;

/** Changes of collections: how many a second, what one more file costs, and what a body of unknown hash costs. */
export const commits: Subject = {
  name: 'commits',
  async run(context) {
    await using edge = await startService();
    const [block] = await stored(edge, blockOf('content'));
    return [
      ...(await commitsPerSecond(context, edge)),
      ...(await oneMoreFile(context, edge, block)),
      ...(await largeBody(context)),
    ];
  },
};

async function commitsPerSecond({ say }: BenchContext, edge: TestService): Promise<Row[]> {
  const rows: Row[] = [];
  for (const writers of [1, 64]) {
    say(`small files by ${writers} writers`);
    const { uuid } = await createCollection(edge, '');
    const until = performance.now() + SECONDS * 1000;
    let done = 0;
    await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let n = 0; performance.now() < until; n++) {
          await put(edge, uuid, `w${writer}-${n % 50}`, `${writer} ${n}`);
          done++;
        }
      }),
    );
    rows.push({ what: `files a second, ${writers} writer${writers > 1 ? 's' : ''}`, edge: done / SECONDS, unit: '/s' });
    const revisions = Number((await api(edge, `collections/${uuid}`)).json.etag);
    rows.push({
      what: `files in one revision, ${writers} writer${writers > 1 ? 's' : ''}`,
      edge: done / revisions,
      unit: '',
    });
  }
  return rows;
}

async function put(edge: TestService, uuid: string, name: string, body: string): Promise<void> {
  const { status, text } = await request(`${edge.url}/c=${uuid}/${name}`, { method: 'PUT', body });
  if (status !== 201 && status !== 204) throw new Error(`PUT ${name}: ${status} ${text}`);
}

async function oneMoreFile({ rounds, say }: BenchContext, edge: TestService, block: TestBlock): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of FILE_COUNTS) {
    say(`one more file in ${count}`);
    const names = Array.from({ length: count }, (_, i) => ` 0:${block.data.length}:file-number-${i}`);
    const { uuid } = await createCollection(edge, `. ${block.locator}${names.join('')}\n`);
    const before = residentBytes(edge.workerdPid);
    await put(edge, uuid, 'first', 'x');
    const seconds = await cpuPer(edge.workerdPid, rounds, (i) => put(edge, uuid, `more-${i}`, `x${i}`));
    rows.push({ what: `processor time of one more file in ${count}`, edge: seconds * 1000, unit: 'ms' });
    const grown = (residentBytes(edge.workerdPid) - before) / MIB;
    if (count === FILE_COUNTS.at(-1)) rows.push({ what: `memory that it takes in ${count}`, edge: grown, unit: 'MiB' });
  }
  return rows;
}

/** Written twice, because its blocks have no name before they are hashed. */
async function largeBody({ rounds, say }: BenchContext): Promise<Row[]> {
  say('a body of 1 GiB against bare PUTs of the same bytes');
  await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
  await using edge = await startService();
  const { uuid } = await createCollection(edge, '');
  const blocks = Array.from({ length: BODY_BLOCKS }, () => randomBlock(BLOCK_BYTES));
  let growth = 0;
  const cpu = async (service: TestService, work: () => Promise<void>) => {
    const before = cpuSeconds(service.workerdPid);
    await work();
    return cpuSeconds(service.workerdPid) - before;
  };
  const body = Buffer.concat(blocks.map(({ data }) => data));
  const sides = {
    floor: () =>
      cpu(floor, async () => {
        for (const { hash, data } of blocks) await upload(`${floor.url}/${hash}`, data);
      }),
    edge: async () => {
      const before = residentBytes(edge.workerdPid);
      const watch = setInterval(() => {
        growth = Math.max(growth, residentBytes(edge.workerdPid) - before);
      }, 50);
      const used = await cpu(edge, () => uploadFile(`${edge.url}/c=${uuid}/large`, body));
      clearInterval(watch);
      return used;
    },
  };
  const pairs: { floor: number; edge: number }[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++)
    pairs.push({ floor: await sides.floor(), edge: await sides.edge() });
  const [floorCpu, edgeCpu] = [median(pairs.map((pair) => pair.floor)), median(pairs.map((pair) => pair.edge))];
  return [
    {
      what: 'processor time of a PUT of 1 GiB / bare PUTs of its blocks',
      edge: edgeCpu,
      floor: floorCpu,
      ratio: edgeCpu / floorCpu,
      unit: 's CPU',
      target: { atMost: 2.2 },
    },
    { what: 'memory that it adds at most', edge: growth / MIB, unit: 'MiB' },
  ];
}

async function uploadFile(url: string, body: Uint8Array): Promise<void> {
  const answer = await fetch(url, { method: 'PUT', headers: bearer(ROOT_TOKEN), body: body as BodyInit });
  if (answer.status !== 201 && answer.status !== 204) throw new Error(`${url}: ${answer.status}`);
}
