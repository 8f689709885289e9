import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../config/env.ts';
import type { FigureShardHandle } from '../http/gathered-figures.ts';

/** Adds up what isolates counted. */
export class FigureShard extends DurableObject<Env> implements FigureShardHandle {
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
}
