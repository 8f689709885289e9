import { formatTime } from '../records/times.ts';
import { createIndexStore, type Indexed } from './index-store.ts';
import { indexChanged, rebuildStep, sweepPending } from './keep-up.ts';
import { termsOf } from './terms.ts';

/** A replica of the index may lag by so much: what was indexed later is looked at as well. */
const LAG_MS = 5 * 60_000;
/** More changed records than these are not looked at one by one: the index counts as missing until it has caught up. */
const MAX_PENDING = 2000;
/** A filter that leaves more is left to the database: so many are judged one by one. */
const MAX_CANDIDATES = 2000;
/** D1 allows 1,000 statements an invocation; a step has up to 18. */
const STEPS_PER_CALL = 40;
/** Work that an isolate begins by itself, after searches and saves. */
const STEPS_AFTER_REQUEST = 4;
const PAUSE_MS = 2000;

export type Search = ReturnType<typeof createSearch>;

export interface SearchState {
  /** False: SEARCH is not bound, and searches look at every record that may be read. */
  bound: boolean;
  complete: boolean;
  /** Changed records that wait to be taken in; counted up to a bound. */
  waiting: number;
}

export interface Batch {
  /** What has changed a short time ago, in no order. */
  changed: string[];
  /** The number grows with the time of the last change. */
  documents: { uuid: string; id: number }[];
  /** Where the next batch begins. */
  next: number | null;
}

/**
 * Finds records by texts through the index. Nothing that changed is missed while the index lags: the main database keeps a
 * list of changed records, and these are always among what is found.
 * @param later keeps the request's context alive
 */
export function createSearch(
  db: D1Database,
  indexDb: D1Database | undefined,
  now: () => number,
  later: (work: Promise<unknown>) => void,
) {
  const index = indexDb === undefined ? null : createIndexStore(indexDb);
  let busyUntil = 0;

  /** Records that the index may know as they were; null for too many. */
  async function pending(): Promise<string[] | null> {
    const { results } = await db
      .prepare(`SELECT uuid, indexed_at FROM search_pending ORDER BY seq DESC LIMIT ${MAX_PENDING + 1}`)
      .all<{ uuid: string; indexed_at: string | null }>();
    if (results.some(({ indexed_at }) => indexed_at === null)) catchUpSoon();
    return results.length > MAX_PENDING ? null : results.map(({ uuid }) => uuid);
  }

  async function lookUp(tables: readonly Indexed[], filters: unknown, limit: number, before: number | null) {
    const terms = termsOf(filters);
    if (index === null || terms.length === 0) return null;
    const [changed, documents] = await Promise.all([pending(), index.find(tables, terms, limit, before)]);
    return changed === null || documents === null ? null : { changed, documents };
  }

  /** Steps of what there is to do: a rebuild, changed records. @returns whether there is more */
  async function work(steps: number): Promise<boolean> {
    if (index === null) return false;
    for (let step = 0; step < steps; step++) {
      const isBuilding = await rebuildStep(db, index, now());
      const isMore = await indexChanged(db, index, now());
      if (!isBuilding && !isMore) return false;
    }
    return true;
  }

  /** At most every few seconds in an isolate; a failure is left to the cron job. */
  function catchUpSoon(): void {
    if (index === null || now() < busyUntil) return;
    busyUntil = now() + PAUSE_MS;
    later(work(STEPS_AFTER_REQUEST).catch(() => undefined));
  }

  return {
    catchUpSoon,

    /**
     * The records of a table among which all are that meet a list's filters; null where the index does not help: it says
     * nothing about the filters, too many come into question, or it is not complete.
     */
    async candidates(table: Indexed, filters: unknown): Promise<string[] | null> {
      const found = await lookUp([table], filters, MAX_CANDIDATES + 1, null);
      if (found === null || found.documents.length > MAX_CANDIDATES) return null;
      return [...new Set([...found.changed, ...found.documents.map(({ uuid }) => uuid)])];
    },

    /**
     * A batch of records that may meet filters, the newest first; what has just changed comes with the first one.
     * @param before where the last batch ended
     * @returns `next` null after the last batch; null as for `candidates`
     */
    async batch(filters: unknown, limit: number, before: number | null): Promise<Batch | null> {
      const found = await lookUp(['collections', 'groups'], filters, limit, before);
      if (found === null) return null;
      const { changed, documents } = found;
      const known = new Set(changed);
      const last = documents.length < limit ? null : (documents.at(-1)?.id ?? null);
      // Their older entries in the index count no more.
      return {
        changed: before === null ? changed : [],
        documents: documents.filter(({ uuid }) => !known.has(uuid)),
        next: last,
      };
    },

    /** The cron's work. */
    async keepUp(): Promise<void> {
      if (index === null) return;
      await work(STEPS_PER_CALL);
      await sweepPending(db, formatTime(now() - LAG_MS));
    },

    async state(): Promise<SearchState> {
      const counted = await db
        .prepare(
          `SELECT count(*) AS n FROM (SELECT 1 FROM search_pending INDEXED BY search_pending_waiting WHERE indexed_at IS NULL LIMIT 100000)`,
        )
        .first<{ n: number }>();
      const complete = index !== null && (await index.progress()).completedAt !== null;
      return { bound: index !== null, complete, waiting: counted?.n ?? 0 };
    },

    /** Empties the index; `work` fills it again. False: there is none. */
    async restart(): Promise<boolean> {
      if (index === null) return false;
      await index.empty();
      return true;
    },
    work: () => work(STEPS_PER_CALL),
  };
}
