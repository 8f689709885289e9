import { setTimeout } from 'node:timers/promises';
import { bearer, blockOf, eachOf, md5, putBlock } from '../../test/support/keep.ts';
import { indexOf, MOUNT, putTrash, waitForList } from '../../test/support/queues.ts';
import { ROOT_TOKEN, startService, type TestService } from '../../test/support/service.ts';
import type { BenchContext, Subject } from '../context.ts';
import { inTurn, residentBytes } from '../measure.ts';
import type { Row } from '../report.ts';

/** The longest list that must fit: five times what keep-balance sends. */
const LIST_ENTRIES = 500_000;
const TRASHED_BLOCKS = 1_000;
const SAMPLE_MS = 50;
const MIB = 2 ** 20;

/** Work lists into the queue and through it, held against bare rows in a Durable Object. */
export const queues: Subject = {
  name: 'queues',
  async run(context) {
    await using floor = await startService({ configFile: 'bench/floor/wrangler.toml' });
    await using edge = await startService({ vars: { BLOB_TRASH_CONCURRENCY: 0 } });
    return [...(await intoTheQueue(context, floor, edge)), await throughTheQueue(context)];
  },
};

async function intoTheQueue({ rounds, say }: BenchContext, floor: TestService, edge: TestService): Promise<Row[]> {
  say(`a trash list of ${LIST_ENTRIES} entries`);
  const list = trashList(LIST_ENTRIES);
  const entry = `{"locator":"${md5('')}+67108864","mountUuid":"${MOUNT}","blockMtime":"1700000000000000000"}`;
  const memory = { floor: 0, edge: 0 };
  const perSecond = async (side: 'floor' | 'edge', service: TestService, send: () => Promise<Response>) => {
    const before = residentBytes(service.workerdPid);
    const started = performance.now();
    const sent = send();
    let isDone = false;
    void sent.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      memory[side] = Math.max(memory[side], residentBytes(service.workerdPid) - before);
      await setTimeout(SAMPLE_MS);
    }
    const response = await sent;
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    return LIST_ENTRIES / ((performance.now() - started) / 1000);
  };
  const measured = await inTurn(Math.min(rounds, 3), {
    floor: () =>
      perSecond('floor', floor, () =>
        fetch(`${floor.url}/rows?count=${LIST_ENTRIES}`, { method: 'POST', body: entry }),
      ),
    edge: () =>
      perSecond('edge', edge, () =>
        fetch(`${edge.url}/trash`, { method: 'PUT', headers: bearer(ROOT_TOKEN), body: list }),
      ),
  });
  return [
    {
      what: 'entries a second into the queue / bare rows inserted',
      edge: measured.edge,
      floor: measured.floor,
      unit: '/s',
      ratio: measured.ratio,
    },
    {
      what: `memory while ${LIST_ENTRIES} entries arrive`,
      edge: memory.edge / MIB,
      floor: memory.floor / MIB,
      unit: 'MiB',
      target: { atMost: 128 },
    },
  ];
}

/** Every entry is a block on R2: read its time, read it again, copy, delete. */
async function throughTheQueue({ say }: BenchContext): Promise<Row> {
  say(`${TRASHED_BLOCKS} blocks trashed on R2`);
  await using service = await startService({ vars: { BLOB_SIGNING_TTL: '1s', EDGE_CACHE: false } });
  const blocks = Array.from({ length: TRASHED_BLOCKS }, (_, i) => blockOf(`trashed ${i}`));
  await eachOf(blocks, 8, async (block) => void (await putBlock(service.url, block)));
  await setTimeout(2_050);
  const times = await indexOf(service);
  await putTrash(
    service,
    blocks.map(({ locator }) => ({ locator, mtime: times.get(locator) ?? 0n })),
  );
  const { ratePerSecond, done } = await waitForList(service, 'trash');
  if (done.trashed !== TRASHED_BLOCKS) throw new Error(`only ${done.trashed} were trashed`);
  return { what: 'blocks a second trashed on R2', edge: ratePerSecond, unit: '/s' };
}

/** As keep-balance writes it. */
function trashList(entries: number): string {
  const lines = Array.from(
    { length: entries },
    (_, i) =>
      `{"locator":"${md5(String(i))}+67108864","block_mtime":17000000${String(i).padStart(6, '0')}00000,"mount_uuid":"${MOUNT}"}`,
  );
  return `[${lines.join(',')}]\n`;
}
