import type { Row } from '../records/columns.ts';
import {
  ACCOUNT_CHANGES,
  ACCOUNT_SNAPSHOTS,
  ACCOUNT_TABLES,
  type FlushContext,
  FORMAT,
  flushAccounts,
  idsOf,
  idText,
  readJson,
} from './account-log.ts';
import { readState, withLease, writeState } from './backup-state.ts';

/** All accounts as of one moment: what a restore begins with, and what lets older changes go. */
export interface Snapshot {
  format: number;
  /** Changes up to this id are in it. */
  id: number;
  /** RFC 3339. */
  at: string;
  parts: number;
  rows: number;
}

/** A snapshot that is being written, in `backup_state`. */
interface Progress {
  id: number;
  at: string;
  prefix: string;
  table: number;
  after: string;
  parts: number;
  rows: number;
}

const ROWS = 500;
/** Parts of one call: D1 takes 1,000 statements an invocation. */
const PARTS_A_CALL = 200;
/** Objects with changes from which on a snapshot is due, or the age of the last one while there are any. */
const DUE_OBJECTS = 200;
const DUE_MS = 24 * 3_600_000;

/** The cron's call: goes on with a snapshot, or begins one that is due. @returns whether one is unfinished */
export async function keepSnapshots(context: FlushContext, now: number): Promise<boolean> {
  await flushAccounts(context);
  if ((await readState<Progress>(context.db, 'snapshot')) !== null || (await isDue(context, now)))
    return snapshotSlice(context);
  return false;
}

async function isDue({ manifests }: FlushContext, now: number): Promise<boolean> {
  const last = await newestSnapshot(manifests);
  if (last === null || last.damaged !== undefined) return true;
  const { objects } = await manifests.list({ prefix: ACCOUNT_CHANGES, limit: DUE_OBJECTS });
  return objects.length >= DUE_OBJECTS || (objects.length > 0 && now - Date.parse(last.at) > DUE_MS);
}

/** Writes some parts of a snapshot, unless another call does. @returns whether there are more */
export async function snapshotSlice(context: FlushContext): Promise<boolean> {
  return (await withLease(context.db, 'snapshot lease', () => writeParts(context))) ?? true;
}

async function writeParts(context: FlushContext): Promise<boolean> {
  const { db, manifests } = context;
  let progress = await readState<Progress>(db, 'snapshot');
  if (progress === null) {
    await flushAccounts(context);
    progress = await begin(db);
  }
  for (let part = 0; part < PARTS_A_CALL; part++) {
    const table = ACCOUNT_TABLES[progress.table];
    if (table === undefined) {
      await finish(context, progress);
      return false;
    }
    const { results } = await db
      .prepare(`SELECT * FROM ${table.name} WHERE ${table.key} > ? ORDER BY ${table.key} LIMIT ${ROWS}`)
      .bind(progress.after)
      .all<Row>();
    if (results.length > 0) {
      progress.parts++;
      const key = `${progress.prefix}${String(progress.parts).padStart(6, '0')}`;
      await manifests.put(key, JSON.stringify({ format: FORMAT, table: table.name, rows: results }));
    }
    progress.rows += results.length;
    progress.after = String(results.at(-1)?.[table.key] ?? '');
    if (results.length < ROWS) {
      progress.table++;
      progress.after = '';
    }
  }
  await writeState(db, 'snapshot', progress);
  return true;
}

async function begin(db: D1Database): Promise<Progress> {
  const row = await db
    .prepare(
      `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'account_changes'), 0) AS id,
         strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS at`,
    )
    .first<{ id: number; at: string }>();
  const { id, at } = row ?? { id: 0, at: new Date(0).toISOString() };
  const prefix = `${ACCOUNT_SNAPSHOTS}${idText(id)}-${crypto.randomUUID().slice(0, 8)}/`;
  return { id, at, prefix, table: 0, after: '', parts: 0, rows: 0 };
}

/** The last object makes it complete; then older changes and snapshots can go. */
async function finish({ db, manifests }: FlushContext, { id, at, prefix, parts, rows }: Progress): Promise<void> {
  const snapshot: Snapshot = { format: FORMAT, id, at, parts, rows };
  await manifests.put(`${prefix}complete`, JSON.stringify(snapshot));
  await writeState(db, 'snapshot', null);
  const older = async (listPrefix: string, isOld: (key: string) => boolean) => {
    for (let after = ''; ; ) {
      const page = await manifests.list({ prefix: listPrefix, ...(after === '' ? {} : { startAfter: after }) });
      const keys = page.objects.map(({ key }) => key).filter(isOld);
      if (keys.length > 0) await manifests.delete(keys);
      after = page.objects.at(-1)?.key ?? '';
      if (!page.truncated || after === '') return;
    }
  };
  await older(ACCOUNT_CHANGES, (key) => idsOf(key).last <= id);
  await older(ACCOUNT_SNAPSHOTS, (key) => !key.startsWith(prefix));
}

interface FoundSnapshot extends Snapshot {
  prefix: string;
  /** In a sentence; missing for a sound one. */
  damaged?: string;
}

/** Of a snapshot whose last object cannot be read: its parts are there, and the id is in its name. */
async function fromParts(manifests: R2Bucket, prefix: string): Promise<Omit<FoundSnapshot, 'prefix'>> {
  let parts = 0;
  let at = '';
  for (let after = ''; ; ) {
    const page = await manifests.list({ prefix, ...(after === '' ? {} : { startAfter: after }) });
    parts += page.objects.filter(({ key }) => /\/\d+$/.test(key)).length;
    at = page.objects.at(-1)?.uploaded.toISOString() ?? at;
    after = page.objects.at(-1)?.key ?? '';
    if (page.truncated && after !== '') continue;
    const id = Number(prefix.slice(ACCOUNT_SNAPSHOTS.length).split('-')[0]);
    return { format: FORMAT, id, at, parts, rows: 0, damaged: `${prefix}complete cannot be read` };
  }
}

/** The newest complete snapshot with the prefix of its parts. */
export async function newestSnapshot(manifests: R2Bucket): Promise<FoundSnapshot | null> {
  let newest: FoundSnapshot | null = null;
  for (let cursor: string | undefined; ; ) {
    const page = await manifests.list({
      prefix: ACCOUNT_SNAPSHOTS,
      delimiter: '/',
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const prefix of page.delimitedPrefixes) {
      const found = await readJson<Snapshot>(manifests, `${prefix}complete`);
      if (found === null) continue;
      const snapshot = found === 'unreadable' ? await fromParts(manifests, prefix) : found;
      if (snapshot.format !== FORMAT)
        throw new Error(`${prefix} has format ${snapshot.format}: it needs a newer version`);
      if (newest === null || snapshot.at > newest.at) newest = { ...snapshot, prefix };
    }
    if (!page.truncated) return newest;
    cursor = page.cursor;
  }
}
