import { DurableObject } from 'cloudflare:workers';
import { createPlaceRows, type PlaceRows } from '../../src/gateways/place-rows.ts';
import { SHARDS, shardOf } from '../../src/gateways/places.ts';

interface Bindings {
  BLOCKS: R2Bucket;
  DB: D1Database;
  SHARDS: DurableObjectNamespace<Shard>;
}

const GATEWAY = 'xedge-bi6l4-bench0000000000';
const KEY = 'archive/2026/run-0042/sample-000123/reads.bam';
const ETAG = '0123456789abcdef0123456789abcdef-42';
const ROWS_PER_STATEMENT = 200_000;

/**
 * POST /fill?store=objects|d1|r2&count=N&part=P puts N entries with evenly spread hashes, part by part; what is there already is left. GET /find?store=...&count=N&times=M looks up M of
 * them, one after the other.
 */
export default {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const count = Number(searchParams.get('count'));
    const store = searchParams.get('store') ?? '';
    if (pathname === '/fill') {
      await fill(store, count, Number(searchParams.get('part') ?? '0'), env);
      return new Response('done\n');
    }
    const times = Number(searchParams.get('times'));
    for (let i = 0; i < times; i++) {
      const hash = hashOf(Math.floor(Math.random() * count), count);
      if (!(await find(store, hash, count, env))) throw new Error(`${store} does not have ${hash}`);
    }
    return new Response('done\n');
  },
};

/** The first eight digits tell entries apart. */
function hashOf(i: number, count: number): string {
  return (
    Math.floor((i * 2 ** 32) / count)
      .toString(16)
      .padStart(8, '0') + '0'.repeat(24)
  );
}

function shardName(hash: string, count: number): string {
  return `${count} ${shardOf(hash)}`;
}

async function find(store: string, hash: string, count: number, env: Bindings): Promise<boolean> {
  if (store === 'objects') return (await env.SHARDS.getByName(shardName(hash, count)).find(hash)).length > 0;
  if (store === 'd1') {
    const row = await env.DB.prepare(
      `SELECT gateway, key, start, length, etag, object_size FROM places${count} WHERE hash = unhex(?) LIMIT 16`,
    )
      .bind(hash)
      .first();
    return row !== null;
  }
  return (await (await env.BLOCKS.get(`map/${hash}`))?.json()) !== undefined;
}

async function fill(store: string, count: number, part: number, env: Bindings): Promise<void> {
  if (store === 'objects') {
    // Entries of one shard are one range of hashes.
    const border = (shard: number) => Math.ceil((shard * count) / SHARDS);
    await env.SHARDS.getByName(`${count} ${part}`).fill(border(part), border(part + 1), count);
  } else if (store === 'd1') {
    if (part === 0)
      await env.DB.prepare(
        `CREATE TABLE IF NOT EXISTS places${count} (hash BLOB NOT NULL, gateway INTEGER NOT NULL, key TEXT NOT NULL, start INTEGER NOT NULL,
           length INTEGER NOT NULL, etag TEXT NOT NULL, object_size INTEGER NOT NULL, PRIMARY KEY (hash, gateway, key, start)) WITHOUT ROWID`,
      ).run();
    const until = Math.min(count, (part + 1) * ROWS_PER_STATEMENT);
    // A part is one statement: it is there as a whole, or not at all.
    if (await find('d1', hashOf(until - 1, count), count, env)) return;
    await env.DB.prepare(
      `INSERT INTO places${count} ${rowsSql(count)}`.replace('$columns', '1, ?, 0, 67108864, ?, 67108864'),
    )
      .bind(part * ROWS_PER_STATEMENT, until, KEY, ETAG)
      .run();
  } else {
    for (let i = 0; i < count; i++)
      await env.BLOCKS.put(
        `map/${hashOf(i, count)}`,
        JSON.stringify([[GATEWAY, KEY, 0, 67_108_864, ETAG, 67_108_864]]),
      );
  }
}

/** Selects the hashes of a range of entries, ascending. */
function rowsSql(count: number): string {
  return `WITH RECURSIVE n(i, last) AS (SELECT ?, ? UNION ALL SELECT i + 1, last FROM n WHERE i + 1 < last)
    SELECT unhex(printf('%08x', (i * 4294967296) / ${count}) || '000000000000000000000000'), $columns FROM n WHERE i < last`;
}

/** A shard of the map, as the service has it. */
export class Shard extends DurableObject {
  readonly #rows: PlaceRows = createPlaceRows(this.ctx.storage);

  async find(hash: string) {
    return this.#rows.find(hash);
  }

  async fill(from: number, until: number, count: number): Promise<void> {
    const { sql } = this.ctx.storage;
    sql.exec('INSERT OR IGNORE INTO gateways (id, uuid, places, bytes) VALUES (1, ?, 0, 0)', GATEWAY);
    for (let at = from; at < until; at += ROWS_PER_STATEMENT) {
      const last = Math.min(until, at + ROWS_PER_STATEMENT);
      if (this.#rows.find(hashOf(last - 1, count)).length > 0) continue;
      const columns = '1, ?, 0, 67108864, ?, 67108864, 0, NULL, NULL';
      sql.exec(`INSERT INTO places ${rowsSql(count).replace('$columns', columns)}`, at, last, KEY, ETAG);
      await scheduler.wait(0);
    }
  }
}
