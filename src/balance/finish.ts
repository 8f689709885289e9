import type { QueueHandle } from '../queues/queue-handles.ts';
import { deleteRows } from '../records/delete-rows.ts';
import { formatTime } from '../records/times.ts';
import { listAll } from '../storage/bucket-index.ts';
import { TRASH } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { streamOfChunks } from '../streams/chunk-stream.ts';
import type { FileKind, Run, RunRows } from './runs.ts';
import type { Tallies } from './tallies.ts';

export interface FinishContext {
  rows: RunRows;
  store: ObjectStore;
  db: D1Database;
  queues: { pull: Pick<QueueHandle, 'replace'>; trash: Pick<QueueHandle, 'replace'> } | null;
  /** Greatest share of all stored bytes that one run may trash without being asked to, 0 to 1. */
  maxTrashShare: number;
  /** Key of the list of lost blocks, '' for none. */
  missingReport: string;
  /** BLOB_TRASH: false keeps everything. */
  mayTrash: boolean;
  until: number;
  clock: () => number;
}

/** Rows that one statement changes: their JSON is one parameter of well under 2 MB. */
const BATCH_ROWS = 2000;

/** Writes back what each collection has: copies and classes. Only rows that change are written. */
export async function confirmSlice(run: Run, tallies: Tallies, context: FinishContext): Promise<Run> {
  const { rows, db, until, clock } = context;
  const measuredAt = formatTime(run.startedAt);
  let from = Number(run.cursor || '0');
  for (;;) {
    const members = rows.members(run.id, from, BATCH_ROWS);
    if (members.length === 0) return saved(rows, { ...run, phase: 'usage', cursor: '' });
    const values = members.map(({ uuid }, i) => [
      uuid,
      tallies.confirmed(from + i),
      tallies.unmet[from + i] === 1 ? 1 : 0,
    ]);
    await db
      .prepare(
        `UPDATE collections SET replication_confirmed = j.copies, replication_confirmed_at = ?1,
           storage_classes_confirmed = CASE WHEN j.unmet THEN '[]' ELSE storage_classes_desired END,
           storage_classes_confirmed_at = ?1
         FROM (SELECT value ->> 0 AS uuid, value ->> 1 AS copies, value ->> 2 AS unmet FROM json_each(?2)) AS j
         WHERE collections.uuid = j.uuid AND j.copies IS NOT NULL AND
           (replication_confirmed IS NOT j.copies OR
            storage_classes_confirmed IS NOT CASE WHEN j.unmet THEN '[]' ELSE storage_classes_desired END)`,
      )
      .bind(measuredAt, JSON.stringify(values))
      .run();
    from += members.length;
    if (clock() >= until) return saved(rows, { ...run, cursor: String(from), step: run.step });
  }
}

/** Counts what lies in the trash of every mount. */
export async function trashedSlice(
  run: Run,
  mounts: readonly Mount[],
  { rows, until, clock }: FinishContext,
): Promise<Run> {
  const [start = '0', ...rest] = run.cursor.split(' ');
  let after = rest.join(' ');
  const counts = { ...run.counts };
  for (let i = Number(start || '0'); i < mounts.length; i++) {
    const mount = mounts[i];
    if (mount === undefined) break;
    for await (const page of listAll(mount.store, TRASH, after === '' ? undefined : after)) {
      counts.trashedBlocks += page.length;
      counts.trashedBytes += page.reduce((sum, { size }) => sum + size, 0);
      after = page.at(-1)?.key ?? after;
      if (clock() >= until) return saved(rows, { ...run, counts, cursor: `${i} ${after}` });
    }
    after = '';
  }
  return saved(rows, { ...run, counts, phase: 'confirm', cursor: '' });
}

type UsageRow = [uuid: string, bytes: number, blocks: number];

/** Usage of projects, owners and collections, and one line of history. */
export async function usageSlice(run: Run, tallies: Tallies, context: FinishContext): Promise<Run> {
  const { rows, db, until, clock } = context;
  const measuredAt = formatTime(run.startedAt);
  const [kind = 'owner', start = '0'] = run.cursor.split(' ').filter(Boolean);
  let from = Number(start);
  if (kind === 'owner') {
    for (; from < tallies.uses.length; from += BATCH_ROWS) {
      if (clock() >= until) return saved(rows, { ...run, cursor: `owner ${from}` });
      const page = tallies.uses.slice(from, from + BATCH_ROWS);
      await writeUsage(
        db,
        run,
        'owner',
        page.map(({ uuid, bytes, blocks }): UsageRow => [uuid, bytes, blocks]),
      );
    }
    await deleteRows(db, 'usage', { sql: "kind = 'owner' AND run < ?", values: [run.id] });
    // Counted now. What is committed while a run is under way is counted by the next one.
    await db.prepare('UPDATE quotas SET grown = 0').run();
    from = 0;
  }
  for (;;) {
    if (clock() >= until) return saved(rows, { ...run, cursor: `collection ${from}` });
    const page = rows.members(run.id, from, BATCH_ROWS);
    if (page.length === 0) break;
    const values = page.map(
      ({ uuid }, i): UsageRow => [uuid, tallies.bytes[from + i] ?? 0, tallies.blocks[from + i] ?? 0],
    );
    await writeUsage(db, run, 'collection', values);
    from += page.length;
  }
  const { counts } = run;
  const collectionsBytes = tallies.bytes.reduce((sum, bytes) => sum + bytes, 0);
  await db
    .prepare(
      `INSERT OR REPLACE INTO usage_history (measured_at, run, named_bytes, named_blocks, stored_bytes, stored_blocks,
         unnamed_bytes, unnamed_blocks, trashed_bytes, trashed_blocks, collections_bytes, collections)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      measuredAt,
      run.id,
      counts.namedBytes,
      counts.namedBlocks,
      counts.storedBytes,
      counts.storedBlocks,
      counts.unnamedBytes,
      counts.unnamedBlocks,
      counts.trashedBytes,
      counts.trashedBlocks,
      collectionsBytes,
      counts.collections,
    )
    .run();
  return saved(rows, { ...run, phase: 'lists', cursor: '' });
}

/** Rows of collections are written only when they change: there are many, and each write is billed. */
async function writeUsage(db: D1Database, run: Run, kind: 'owner' | 'collection', values: UsageRow[]): Promise<void> {
  const onlyChanged = kind === 'owner' ? '' : 'WHERE bytes <> excluded.bytes OR blocks <> excluded.blocks';
  await db
    .prepare(
      `INSERT INTO usage (subject_uuid, kind, bytes, blocks, run, measured_at)
       SELECT value ->> 0, ?1, value ->> 1, value ->> 2, ?2, ?3 FROM json_each(?4) WHERE true
       ON CONFLICT (subject_uuid) DO UPDATE SET bytes = excluded.bytes, blocks = excluded.blocks, run = excluded.run,
         measured_at = excluded.measured_at ${onlyChanged}`,
    )
    .bind(kind, run.id, formatTime(run.startedAt), JSON.stringify(values))
    .run();
}

/** Sends the lists, or says why not. Sending one again replaces it by itself. */
export async function sendLists(run: Run, context: FinishContext, isConfirmed = false): Promise<Run> {
  const { rows, store, queues, clock } = context;
  await reportMissing(run, context);
  const end = (message: string): Run =>
    saved(rows, { ...run, phase: 'done', finishedAt: clock(), cursor: '', message });
  if (run.isDry) return end('dry run: nothing was sent');
  if (queues === null) return end('no lists were sent: PULL_QUEUE and TRASH_QUEUE are not bound');
  const pulled = await queues.pull.replace(listStream(store, rows, run, 'pull'), '');
  if (!pulled.ok) throw new Error(`the pull list was refused: ${pulled.message}`);
  const obstacle = trashObstacle(run, context, isConfirmed);
  if (obstacle?.mayConfirm) return saved(rows, { ...run, phase: 'waiting', message: obstacle.message });
  if (obstacle !== null) return end(obstacle.message);
  const trashed = await queues.trash.replace(listStream(store, rows, run, 'trash'), '');
  if (!trashed.ok) throw new Error(`the trash list was refused: ${trashed.message}`);
  return end('');
}

/** One line for each lost block: its locator, and collections that name it. As many as the run names. */
async function reportMissing({ id }: Run, { rows, store, missingReport }: FinishContext): Promise<void> {
  if (missingReport === '') return;
  const lines = rows
    .problems(id, 'lost')
    .map(({ subject, detail }) => `${[subject, ...(detail as { collections: string[] }).collections].join(' ')}\n`);
  const bytes = new TextEncoder().encode(lines.join(''));
  await store.put(missingReport, bytes, { size: bytes.byteLength });
}

/** Why nothing may be trashed after this run; null when it may. */
function trashObstacle(
  { counts }: Run,
  { maxTrashShare, mayTrash }: FinishContext,
  isConfirmed: boolean,
): { message: string; mayConfirm: boolean } | null {
  if (!mayTrash) return { message: 'nothing is trashed: BLOB_TRASH is false', mayConfirm: false };
  if (counts.unreadable > 0) {
    return {
      message: `nothing is trashed: ${counts.unreadable} collections could not be read, so what they name is not known`,
      mayConfirm: false,
    };
  }
  const share = counts.storedBytes === 0 ? 0 : counts.trashBytes / counts.storedBytes;
  if (share <= maxTrashShare || isConfirmed) return null;
  const percent = (value: number) => `${Math.round(value * 1000) / 10} %`;
  return {
    message: `${percent(share)} of all stored bytes would be trashed, more than ${percent(maxTrashShare)} (BALANCE_MAX_TRASH_SHARE): look at the report, then confirm with keep-edge balance --confirm`,
    mayConfirm: true,
  };
}

/** The files of one list as a JSON array. */
function listStream(store: ObjectStore, rows: RunRows, run: Run, kind: FileKind): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const chunks = (async function* () {
    yield encoder.encode('[');
    let isFirst = true;
    for (const { key } of rows.files(run.id, kind)) {
      const found = await store.get(key);
      if (found === null) throw new Error(`${key} is gone: start a new run`);
      if (!isFirst) yield encoder.encode(',');
      isFirst = false;
      for await (const chunk of found.body) yield chunk;
    }
    yield encoder.encode(']');
  })();
  return streamOfChunks(chunks);
}

function saved(rows: RunRows, run: Run): Run {
  rows.save(run);
  return run;
}
