import { DurableObject, exports, WorkerEntrypoint } from 'cloudflare:workers';

const MIB = 2 ** 20;

interface Bindings {
  BLOCKS: R2Bucket;
  DB: D1Database;
  ROWS: DurableObjectNamespace<Rows>;
}

/** The least a Worker can do: the key is the path, the body passes through untouched. */
export default {
  async fetch(request: Request, { BLOCKS, DB, ROWS }: Bindings, execution: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const key = pathname.slice(1);
    // Rows in a Durable Object: POST /rows?count=N
    if (request.method === 'POST') {
      await ROWS.getByName('floor').insert(Number(searchParams.get('count')), await request.text());
      return new Response('done\n');
    }
    if (request.method === 'PUT') {
      const stored = await BLOCKS.put(key, request.body, { md5: key });
      return new Response(`${stored.size}\n`);
    }
    const headers = { 'content-type': 'application/octet-stream' };
    // Several objects one after another: KEY,KEY,...?bytes=TOTAL
    if (searchParams.has('bytes')) {
      const { readable, writable } = new FixedLengthStream(Number(searchParams.get('bytes')));
      execution.waitUntil(pipeAll(BLOCKS, key.split(','), writable));
      return new Response(readable, { headers });
    }
    // A row of a database is looked up before all that follows: KEY?row
    if (searchParams.has('row')) {
      const row = await DB.prepare('SELECT name FROM rows WHERE uuid = ?').bind(key).first();
      if (row !== null) return new Response('there is such a row\n', { status: 500 });
    }
    // Part of one object, read and hashed by whole MiB: KEY?offset=N&length=N&checked
    if (searchParams.has('checked')) {
      const [offset, length] = [Number(searchParams.get('offset')), Number(searchParams.get('length'))];
      const from = Math.floor(offset / MIB) * MIB;
      const until = Math.ceil((offset + length) / MIB) * MIB;
      const whole = await BLOCKS.get(key, { range: { offset: from, length: until - from } });
      const bytes = await new Response(whole?.body).arrayBuffer();
      for (let at = 0; at < bytes.byteLength; at += MIB)
        await crypto.subtle.digest('SHA-256', new Uint8Array(bytes, at, Math.min(MIB, bytes.byteLength - at)));
      return new Response(new Uint8Array(bytes, offset - from, length), { headers });
    }
    if (searchParams.has('log')) console.log(JSON.stringify({ level: 'info', path: 'x'.repeat(700) }));
    // One object, read by an entrypoint of its own: KEY?hop
    if (searchParams.has('hop')) return through().fetch(`http://floor/${key}`);
    // Part of one object: KEY?offset=N&length=N
    const range = searchParams.has('offset')
      ? { range: { offset: Number(searchParams.get('offset')), length: Number(searchParams.get('length')) } }
      : {};
    const object = await BLOCKS.get(key, range);
    if (object === null) return new Response('not found\n', { status: 404 });
    return new Response(object.body, { headers });
  },
};

async function pipeAll(bucket: R2Bucket, keys: string[], writable: WritableStream): Promise<void> {
  for (const key of keys) await (await bucket.get(key))?.body.pipeTo(writable, { preventClose: true });
  await writable.close();
}

const through = () => (exports as unknown as { Through(options: object): Fetcher }).Through({ props: {} });

/** The same read, behind a call of an entrypoint. */
export class Through extends WorkerEntrypoint<Bindings> {
  override async fetch(request: Request): Promise<Response> {
    const object = await this.env.BLOCKS.get(new URL(request.url).pathname.slice(1));
    return new Response(object?.body, { headers: { 'content-type': 'application/octet-stream' } });
  }
}

const ROWS_PER_WRITE = 500;

/** A table, and rows put into it one by one. */
export class Rows extends DurableObject {
  async insert(count: number, text: string): Promise<void> {
    const { sql } = this.ctx.storage;
    sql.exec('DROP TABLE IF EXISTS rows');
    sql.exec('CREATE TABLE rows (position INTEGER PRIMARY KEY, entry TEXT NOT NULL)');
    for (let i = 0; i < count; i++) {
      sql.exec('INSERT INTO rows (position, entry) VALUES (?, ?)', i, text);
      // What is written without a pause is one transaction.
      if (i % ROWS_PER_WRITE === 0) await scheduler.wait(0);
    }
    await this.ctx.storage.sync();
  }
}
