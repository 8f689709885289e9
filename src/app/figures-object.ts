import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../config/env.ts';
import type { EgressCounter } from '../http/anonymous-egress.ts';

/** Days of bytes that are kept. */
const KEPT_DAYS = 31;

import type { FigureShardHandle, Hour } from '../http/gathered-figures.ts';
import { KEPT_ERRORS, type RecentError } from '../http/recent-errors.ts';

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS figures (series TEXT PRIMARY KEY, value REAL NOT NULL) STRICT',
  `CREATE TABLE IF NOT EXISTS hours (
    hour INTEGER PRIMARY KEY, ok REAL NOT NULL, refused REAL NOT NULL, failed REAL NOT NULL, seconds REAL NOT NULL) STRICT`,
  'CREATE TABLE IF NOT EXISTS errors (id INTEGER PRIMARY KEY AUTOINCREMENT, error TEXT NOT NULL) STRICT',
];
const HOUR_MS = 3_600_000;
/** A week. */
const KEPT_HOURS = 168;

/**
 * Adds up what isolates counted, by the hour too, and keeps the errors that they met last: in several objects. One of its own has the
 * bytes of anonymous readers.
 */
export class FigureShard extends DurableObject<Env> implements FigureShardHandle, EgressCounter {
  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    for (const statement of SCHEMA) state.storage.sql.exec(statement);
  }

  async add(figures: [series: string, by: number][], errors: RecentError[] = []): Promise<void> {
    this.ctx.storage.sql.exec(
      `INSERT INTO figures (series, value) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
       ON CONFLICT (series) DO UPDATE SET value = value + excluded.value`,
      JSON.stringify(figures.map(([series, by]) => [series, by + 0.0])),
    );
    this.#addToHour(figures);
    for (const error of errors)
      this.ctx.storage.sql.exec('INSERT INTO errors (error) VALUES (?)', JSON.stringify(error));
    if (errors.length > 0)
      this.ctx.storage.sql.exec('DELETE FROM errors WHERE id <= (SELECT max(id) FROM errors) - ?', KEPT_ERRORS);
  }

  #addToHour(figures: [series: string, by: number][]): void {
    const sums = { ok: 0, refused: 0, failed: 0, seconds: 0 };
    for (const [series, by] of figures) {
      const [, kind, outcome] = /^keep_edge_request_seconds_(count|sum)\{.*outcome="(\w+)"/.exec(series) ?? [];
      if (kind === 'sum') sums.seconds += by;
      else if (kind === 'count' && (outcome === 'ok' || outcome === 'refused' || outcome === 'failed'))
        sums[outcome] += by;
    }
    if (sums.ok + sums.refused + sums.failed === 0) return;
    const hour = Math.floor(Date.now() / HOUR_MS);
    const { sql } = this.ctx.storage;
    sql.exec(
      `INSERT INTO hours (hour, ok, refused, failed, seconds) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (hour) DO UPDATE SET ok = ok + excluded.ok, refused = refused + excluded.refused,
         failed = failed + excluded.failed, seconds = seconds + excluded.seconds`,
      hour,
      sums.ok,
      sums.refused,
      sums.failed,
      sums.seconds,
    );
    sql.exec('DELETE FROM hours WHERE hour <= ?', hour - KEPT_HOURS);
  }

  async read(): Promise<[series: string, value: number][]> {
    return this.ctx.storage.sql
      .exec<{ series: string; value: number }>('SELECT series, value FROM figures')
      .toArray()
      .map(({ series, value }) => [series, value]);
  }

  async spend(day: string, bytes: number): Promise<number> {
    const { sql } = this.ctx.storage;
    sql.exec('CREATE TABLE IF NOT EXISTS egress (day TEXT PRIMARY KEY, bytes REAL NOT NULL) STRICT');
    const { total } = sql
      .exec<{ total: number }>(
        `INSERT INTO egress (day, bytes) VALUES (?, ?)
         ON CONFLICT (day) DO UPDATE SET bytes = bytes + excluded.bytes RETURNING bytes AS total`,
        day,
        bytes,
      )
      .one();
    sql.exec('DELETE FROM egress WHERE day <= (SELECT day FROM egress ORDER BY day DESC LIMIT 1 OFFSET ?)', KEPT_DAYS);
    return total;
  }

  async errors(): Promise<RecentError[]> {
    return this.ctx.storage.sql
      .exec<{ error: string }>('SELECT error FROM errors ORDER BY id DESC')
      .toArray()
      .map(({ error }) => JSON.parse(error) as RecentError);
  }

  async hours(): Promise<Hour[]> {
    return this.ctx.storage.sql
      .exec<Hour & Record<string, SqlStorageValue>>(
        'SELECT hour, ok, refused, failed, seconds FROM hours ORDER BY hour',
      )
      .toArray();
  }
}
