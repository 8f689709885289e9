import type { Chunks } from '../keep/manifest/line-tokens.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { manifestBlocks } from './manifest-blocks.ts';
import { type RecordFile, writeRecords } from './record-reader.ts';
import { REFERENCE_WORDS, ReferenceBuffer, type Wants } from './references.ts';
import type { Member, Run, RunRows } from './runs.ts';

/** Something that keeps blocks alive: a collection, a past version, a backup, an upload that is still open. */
export interface NamedText extends Member, Wants {
  /** Bytes of the text, checked against what is read; null where that is not known. */
  bytes: number | null;
  /** The manifest's text; null when it no longer exists: then it names nothing. @throws when it cannot be read */
  open(): Promise<Chunks | null>;
}

/** Where named texts come from. Pages are bounded in rows and bytes. */
export interface NamedSource {
  name: string;
  /** @param cursor '' at first, then what the page before gave; a page whose cursor is null is the last */
  page(cursor: string): Promise<{ texts: NamedText[]; cursor: string | null }>;
}

/** Numbers of collections, and so the tallies kept for each, are bounded. */
export const MAX_MEMBERS = 4_000_000;

interface Position {
  source: number;
  cursor: string;
  /** Members numbered so far. */
  members: number;
}

export interface CollectContext {
  rows: RunRows;
  /** Files of runs. */
  store: ObjectStore;
  sources: readonly NamedSource[];
  /** When to stop, Unix milliseconds. */
  until: number;
  clock: () => number;
  /** References sorted in memory at once; RUN_REFERENCES but in tests. */
  capacity?: number;
}

/**
 * One slice of the first phase: reads texts and writes what they name as sorted files. Returns the run as it is after
 * the slice; everything before it is recorded.
 */
export async function collectSlice(run: Run, context: CollectContext): Promise<Run> {
  const { rows, store, sources, until, clock } = context;
  const position: Position = run.cursor === '' ? { source: 0, cursor: '', members: 0 } : JSON.parse(run.cursor);
  const first = position.members;
  const wants = createWantsTable(rows.wants(run.id));
  const buffer = new ReferenceBuffer(context.capacity);
  const members: Member[] = [];
  const unreadable: { uuid: string; problem: string }[] = [];
  const files: RecordFile[] = [];
  let references = 0;

  const flush = async () => {
    if (buffer.count === 0) return;
    const sorted = buffer.takeSorted();
    references += sorted.length / REFERENCE_WORDS;
    const key = `balance/${run.id}/names-${run.step}-${files.length}`;
    files.push(await writeRecords(store, key, sorted, REFERENCE_WORDS));
  };

  while (position.source < sources.length && clock() < until && files.length === 0) {
    const source = sources[position.source];
    if (source === undefined) break;
    const page = await source.page(position.cursor);
    for (const text of page.texts) {
      const number = position.members++;
      if (number >= MAX_MEMBERS) throw new Error(`a run takes ${MAX_MEMBERS} collections at most`);
      members.push({ uuid: text.uuid, project: text.project, owner: text.owner });
      const wanted = wants.numberOf(text);
      try {
        const chunks = await text.open();
        if (chunks === null) continue;
        const bytes = await addBlocks(chunks, async (hash, size) => {
          if (buffer.isFull) await flush();
          buffer.add(hash, size, wanted, number);
        });
        if (text.bytes !== null && bytes !== text.bytes) throw new Error(`${bytes} of ${text.bytes} bytes are there`);
      } catch (error) {
        unreadable.push({ uuid: text.uuid, problem: error instanceof Error ? error.message : String(error) });
      }
    }
    if (page.cursor === null) Object.assign(position, { source: position.source + 1, cursor: '' });
    else position.cursor = page.cursor;
  }
  await flush();
  const isOver = position.source >= sources.length;
  const next: Run = {
    ...run,
    phase: isOver ? 'compact' : 'collect',
    cursor: isOver ? '' : JSON.stringify(position),
    step: run.step + 1,
    counts: {
      ...run.counts,
      collections: run.counts.collections + members.length,
      references: run.counts.references + references,
      unreadable: run.counts.unreadable + unreadable.length,
    },
  };
  rows.save(next, () => {
    rows.addFiles(run.id, 'names', files);
    rows.addMembers(run.id, first, members);
    for (const { number, ...wanted } of wants.added()) rows.addWants(run.id, number, wanted);
    for (const { uuid, problem } of unreadable) rows.addProblem(run.id, 'unreadable', uuid, problem);
  });
  return next;
}

/** manifestBlocks tells synchronously; a full buffer has to be written in between, so chunks go in one by one. */
async function addBlocks(chunks: Chunks, add: (hash: string, size: number) => Promise<void>): Promise<number> {
  let pending: [string, number][] = [];
  const drain = async () => {
    for (const [hash, size] of pending) await add(hash, size);
    pending = [];
  };
  const drained = async function* () {
    for await (const chunk of chunks) {
      for (let from = 0; from < chunk.byteLength; from += SLICE_BYTES) {
        yield chunk.subarray(from, from + SLICE_BYTES);
        await drain();
      }
    }
  };
  const bytes = await manifestBlocks(drained(), (hash, size) => void pending.push([hash, size]));
  await drain();
  return bytes;
}

const SLICE_BYTES = 65_536;

/** Numbers the different wants of a run. */
function createWantsTable(known: Wants[]) {
  const keyOf = ({ copies, classes }: Wants) => JSON.stringify([copies, classes]);
  const numbers = new Map(known.map((wants, number) => [keyOf(wants), number]));
  const added: (Wants & { number: number })[] = [];
  return {
    numberOf({ copies, classes }: Wants): number {
      const key = keyOf({ copies, classes });
      const found = numbers.get(key);
      if (found !== undefined) return found;
      const number = numbers.size;
      numbers.set(key, number);
      added.push({ number, copies, classes });
      return number;
    },
    added: () => added,
  };
}
