import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../config/env.ts';
import type { EgressCounter } from '../http/anonymous-egress.ts';
import type { FigureShardHandle } from '../http/gathered-figures.ts';

/** Days of bytes that are kept. */
const KEPT_DAYS = 31;

/** Adds up what isolates counted: figures in several objects, the bytes of anonymous readers in one of its own. */
export class FigureShard extends DurableObject<Env> implements FigureShardHandle, EgressCounter {
  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS figures (series TEXT PRIMARY KEY, value REAL NOT NULL) STRICT');
  }

  async add(figures: [series: string, by: number][]): Promise<void> {
    this.ctx.storage.sql.exec(
      `INSERT INTO figures (series, value) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
       ON CONFLICT (series) DO UPDATE SET value = value + excluded.value`,
      JSON.stringify(figures.map(([series, by]) => [series, by + 0.0])),
    );
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
}
