import type { Happening } from './webhook.ts';

/** A JSON body on its way to one receiver. */
export interface Delivery {
  id: number;
  url: string;
  body: string;
  /** Unix milliseconds. */
  queuedAt: number;
  tries: number;
}

export type DeliveryRows = ReturnType<typeof createDeliveryRows>;

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, happening TEXT NOT NULL) STRICT',
  `CREATE TABLE IF NOT EXISTS deliveries (id INTEGER PRIMARY KEY, url TEXT NOT NULL, body TEXT NOT NULL,
     queued_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0) STRICT`,
  'CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (url, due_ms)',
];

/** What waits, in the queue's Durable Object. @param limit events and deliveries that wait at most; more are dropped */
export function createDeliveryRows(storage: DurableObjectStorage, limit: number) {
  const { sql } = storage;
  for (const statement of SCHEMA) sql.exec(statement);
  // Counted once: each event would read all rows otherwise.
  let waiting = sql
    .exec<{ n: number }>('SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM deliveries) AS n')
    .one().n;

  return {
    waiting: () => waiting,

    /** @returns how many there was no room for */
    addEvents(happenings: readonly Happening[]): number {
      const kept = happenings.slice(0, Math.max(0, limit - waiting));
      for (const happening of kept) sql.exec('INSERT INTO events (happening) VALUES (?)', JSON.stringify(happening));
      waiting += kept.length;
      return happenings.length - kept.length;
    },

    events(max: number): { id: number; happening: Happening }[] {
      return sql
        .exec<{ id: number; happening: string }>('SELECT id, happening FROM events ORDER BY id LIMIT ?', max)
        .toArray()
        .map(({ id, happening }) => ({ id, happening: JSON.parse(happening) as Happening }));
    },

    /** Events up to `last` become deliveries, as one. @returns how many there was no room for */
    sort(last: number, deliveries: readonly { url: string; body: string }[], now: number): number {
      const insert = 'INSERT INTO deliveries (url, body, queued_ms, due_ms) VALUES (?, ?, ?, ?)';
      return storage.transactionSync(() => {
        waiting -= sql.exec('DELETE FROM events WHERE id <= ? RETURNING id', last).toArray().length;
        const kept = deliveries.slice(0, Math.max(0, limit - waiting));
        for (const { url, body } of kept) sql.exec(insert, url, body, now, now);
        waiting += kept.length;
        return deliveries.length - kept.length;
      });
    },

    due(url: string, now: number, max: number): Delivery[] {
      return sql
        .exec<{ id: number; url: string; body: string; queuedAt: number; tries: number }>(
          `SELECT id, url, body, queued_ms AS queuedAt, tries FROM deliveries WHERE url = ? AND due_ms <= ?
           ORDER BY due_ms LIMIT ?`,
          url,
          now,
          max,
        )
        .toArray();
    },

    later(id: number, dueAt: number): void {
      sql.exec('UPDATE deliveries SET due_ms = ?, tries = tries + 1 WHERE id = ?', dueAt, id);
    },

    remove(id: number): void {
      waiting -= sql.exec('DELETE FROM deliveries WHERE id = ? RETURNING id', id).toArray().length;
    },

    /** Those of receivers that are no longer set. @returns how many there were */
    removeOthers(urls: readonly string[]): number {
      let removed = 0;
      // From address to address by the index: all rows would be read otherwise, at each alarm.
      const following = (after: string) =>
        sql
          .exec<{ url: string }>('SELECT url FROM deliveries WHERE url > ? ORDER BY url LIMIT 1', after)
          .toArray()
          .at(0)?.url;
      for (let url = following(''); url !== undefined; url = following(url)) {
        if (!urls.includes(url))
          removed += sql.exec('DELETE FROM deliveries WHERE url = ? RETURNING id', url).toArray().length;
      }
      waiting -= removed;
      return removed;
    },

    /** Unix milliseconds; null when nothing waits. */
    nextDue(urls: readonly string[]): number | null {
      const times = urls.flatMap((url) =>
        sql
          .exec<{ due: number }>('SELECT due_ms AS due FROM deliveries WHERE url = ? ORDER BY due_ms LIMIT 1', url)
          .toArray()
          .map(({ due }) => due),
      );
      return times.length === 0 ? null : Math.min(...times);
    },
  };
}
