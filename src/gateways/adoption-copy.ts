import type { QueueHandle } from '../queues/queue-handles.ts';
import { streamOfChunks } from '../streams/chunk-stream.ts';
import type { Adoption } from './adoption.ts';
import { type AdoptionRows, blocksIn } from './adoption-rows.ts';

type CopyQueue = Pick<QueueHandle, 'replace' | 'status' | 'wake'>;

const PAGE = 500;
const ENTRIES_PER_CHUNK = 500;

/** Hands every block of an adoption to a pull queue, which copies it into a volume. A block that is there is only touched. */
export async function startCopying(adoption: Adoption, rows: AdoptionRows, queue: unknown): Promise<Adoption> {
  const replaced = await (queue as CopyQueue).replace(streamOfChunks(pullList(rows, adoption.generation)), '');
  if (!replaced.ok) throw new Error(`the pull list was refused: ${replaced.message}`);
  const counts = { ...adoption.counts, copyBlocks: replaced.entries, copiedBlocks: 0 };
  return { ...adoption, phase: 'copying', counts };
}

/** Looks how far the queue has come. */
export async function copyingSlice(adoption: Adoption, queue: unknown): Promise<Adoption> {
  const { list, pending, inProgress, tallies, lastErrors } = await (queue as CopyQueue).status();
  const failed = tallies.filter(({ result }) => result === 'failed').reduce((sum, { entries }) => sum + entries, 0);
  const counts = { ...adoption.counts, copiedBlocks: list.entries - pending - inProgress - failed };
  if (pending > 0 || inProgress > 0) {
    await (queue as CopyQueue).wake();
    return { ...adoption, counts };
  }
  if (failed === 0) return { ...adoption, phase: 'done', counts };
  const why = lastErrors[0]?.message ?? '';
  return {
    ...adoption,
    phase: 'failed',
    counts,
    message: `${failed} of ${list.entries} blocks could not be copied: ${why}`,
  };
}

function* pullList(rows: AdoptionRows, generation: number): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  yield encoder.encode('[');
  let separator = '';
  let batch: string[] = [];
  const flush = () => {
    const text = separator + batch.join(',');
    separator = ',';
    batch = [];
    return encoder.encode(text);
  };
  for (let after = ''; ; ) {
    const page = rows.byKey(generation, after, PAGE);
    for (const row of page) {
      for (const [hash, size] of blocksIn(row)) {
        batch.push(JSON.stringify({ locator: `${hash}+${size}`, servers: [] }));
        if (batch.length >= ENTRIES_PER_CHUNK) yield flush();
      }
    }
    if (page.length < PAGE) break;
    after = page.at(-1)?.key ?? '';
  }
  if (batch.length > 0) yield flush();
  yield encoder.encode(']');
}
