import type { ReadDatabase } from '../records/list-query.ts';

export interface NearReads {
  /**
   * Does some reading on the nearest replica. Permissions are judged there, so it is done again on the primary database
   * when the replica has not seen a change that took a permission away.
   * @param work may be done twice; what it judges permissions with goes through `batch`
   */
  read<T>(work: (db: ReadDatabase) => Promise<T>): Promise<T>;
  /** After a change here: for a while reads show it. */
  changed(): void;
}

/** A replica has the changes of other isolates after fractions of a second; those of this one are always shown. */
const OWN_CHANGES_MS = 10_000;
const EPOCH = 'SELECT n FROM permission_epoch';

/**
 * Reads from D1's replicas. What an isolate knows of the primary's permission_epoch is at most `ttlSeconds` old, as what it
 * knows of tokens: a revocation takes effect within that time. Without replicas the primary answers, and nothing more is
 * asked.
 */
export function createNearReads(db: D1Database, ttlSeconds: number, now: () => number): NearReads {
  let known: { epoch: number; until: number } | null = null;
  let changedUntil = 0;

  async function primaryEpoch(): Promise<number> {
    if (known !== null && now() < known.until) return known.epoch;
    const until = now() + ttlSeconds * 1000;
    const row = await db.prepare(EPOCH).first<{ n: number }>();
    known = { epoch: row?.n ?? 0, until };
    return known.epoch;
  }

  return {
    async read(work) {
      if (now() < changedUntil) return work(db);
      const session = db.withSession('first-unconstrained');
      let seen: number | null = null;
      const near: ReadDatabase = {
        prepare: (sql) => session.prepare(sql),
        async batch<T>(statements: D1PreparedStatement[]) {
          // One transaction: the epoch is that of what the statements read. A session never goes back.
          const [epoch, ...results] = await session.batch<T>([session.prepare(EPOCH), ...statements]);
          const isReplica = (epoch?.meta as { served_by_primary?: boolean } | undefined)?.served_by_primary === false;
          if (isReplica) seen ??= Number((epoch?.results[0] as { n?: number } | undefined)?.n ?? 0);
          return results;
        },
      };
      const result = await work(near);
      return seen === null || seen >= (await primaryEpoch()) ? result : work(db);
    },
    changed() {
      known = null;
      changedUntil = now() + OWN_CHANGES_MS;
    },
  };
}
