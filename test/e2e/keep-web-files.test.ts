import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** One file over several blocks, none of its edges on a block's edge. */

const A = blockOf('0123456789');
const B = blockOf('abcdefghij');
const FILE = '789abcdefghij0123456789abc'; // B and A repeated, begun in the middle
const MANIFEST = `. ${A.locator} ${B.locator} ${A.locator} ${B.locator} 7:26:f.txt 0:0:empty.bin 3:4:page.html\n./dir\\040ä ${A.locator} 0:10:x&'"<.txt\n`;

let service: TestService;
let collection: TestCollection;
let url: string;

beforeAll(async () => {
  service = await startService();
  await stored(service, A, B);
  collection = await createCollection(service, MANIFEST, { name: 'Ranges' });
  url = `${service.url}/c=${collection.uuid}`;
});
afterAll(() => service?.stop());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  request(`${url}${path}`, { headers, method });

describe('a file', () => {
  test('comes whole, with its exact length, a type, and validators', async () => {
    const answer = await get('/f.txt');
    expect([answer.status, answer.text]).toEqual([200, FILE]);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': '26',
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'attachment',
      'cache-control': 'private, no-cache, no-transform',
      vary: 'Authorization, Cookie',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'access-control-allow-origin': '*',
    });
    expect(answer.headers.get('etag')).toMatch(/^"[0-9a-f]{32}"$/);
    expect(Date.parse(answer.headers.get('last-modified') ?? '')).toBeGreaterThan(0);
  });

  /** Ranges over a socket: [Range, status, body, Content-Range] */
  test.each<[string, number, string, string | null]>([
    ['bytes=0-2', 206, '789', 'bytes 0-2/26'],
    ['bytes=1-4', 206, '89ab', 'bytes 1-4/26'],
    ['bytes=12-14', 206, 'j01', 'bytes 12-14/26'],
    ['bytes=3-', 206, FILE.slice(3), 'bytes 3-25/26'],
    ['bytes=24-99', 206, 'bc', 'bytes 24-25/26'],
    ['bytes=-2', 206, 'bc', 'bytes 24-25/26'],
    ['bytes=-99', 206, FILE, 'bytes 0-25/26'],
    ['bytes=', 200, FILE, null],
    ['bytes=26-', 416, 'invalid range\n', 'bytes */26'],
    ['bytes=z-y', 416, 'invalid range\n', 'bytes */26'],
    ['bytes=5-2', 416, 'invalid range\n', 'bytes */26'],
    ['lines=1-2', 416, 'invalid range\n', 'bytes */26'],
    ['bytes=0-20,5-25', 200, FILE, null],
    ['bytes=0-1,26-', 206, '78', 'bytes 0-1/26'],
  ])('answers %s with %i', async (range, status, body, contentRange) => {
    const answer = await get('/f.txt', { range });
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([status, body, contentRange]);
    const head = await get('/f.txt', { range }, 'HEAD');
    expect([head.status, head.headers.get('content-range'), head.body.length]).toEqual([status, contentRange, 0]);
    if (status !== 416) expect(head.headers.get('content-length')).toBe(String(body.length));
  });

  test('comes in several ranges, framed with an exact length', async () => {
    const answer = await get('/f.txt', { range: 'bytes=0-1,-2,9-12' });
    expect(answer.status).toBe(206);
    const type = answer.headers.get('content-type') ?? '';
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{60})$/.exec(type)?.[1];
    expect(answer.headers.get('content-length')).toBe(String(answer.body.length));
    const parts = answer.text.split(`--${boundary}`).slice(1, -1);
    expect(parts).toEqual([
      '\r\nContent-Range: bytes 0-1/26\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n78\r\n',
      '\r\nContent-Range: bytes 24-25/26\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nbc\r\n',
      '\r\nContent-Range: bytes 9-12/26\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nghij\r\n',
    ]);
  });

  test('that is empty is served whole whatever range is asked', async () => {
    for (const headers of [{}, { range: 'bytes=0-5' }, { range: 'bytes=-5' }] as Record<string, string>[]) {
      const answer = await get('/empty.bin', headers);
      expect([answer.status, answer.text, answer.headers.get('content-length')]).toEqual([200, '', '0']);
    }
  });

  test('is answered 304, 412 or in full as the conditions say', async () => {
    const first = await get('/f.txt');
    const etag = first.headers.get('etag') ?? '';
    const modified = first.headers.get('last-modified') ?? '';
    const unchanged = await get('/f.txt', { 'if-none-match': etag });
    expect([unchanged.status, unchanged.text, unchanged.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await get('/f.txt', { 'if-modified-since': modified })).status).toBe(304);
    expect((await get('/f.txt', { 'if-match': '"other"' })).status).toBe(412);
    expect((await get('/f.txt', { 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).status).toBe(412);
    const ranged = { range: 'bytes=0-1' };
    expect((await get('/f.txt', { ...ranged, 'if-range': etag })).status).toBe(206);
    expect((await get('/f.txt', { ...ranged, 'if-range': '"other"' })).status).toBe(200);
    expect((await get('/f.txt', { ...ranged, 'if-range': modified })).status).toBe(206);
  });

  test('has the same ETag at every address, also in another collection; by content it may be kept for long', async () => {
    const other = await createCollection(
      service,
      `./elsewhere ${A.locator} ${B.locator} ${A.locator} ${B.locator} 7:26:g\n`,
    );
    const etags = new Set<string | null>();
    for (const address of [
      `/c=${collection.uuid}/f.txt`,
      `/c=${collection.portable_data_hash}/f.txt`,
      `/c=${collection.portable_data_hash.replace('+', '-')}/_/f.txt`,
      `/by_id/${collection.uuid}/f.txt`,
      `/by_id/${encodeURIComponent(collection.portable_data_hash)}/f.txt`,
      `/c=${collection.uuid}/t=${ROOT_TOKEN}/f.txt`,
      `/collections/download/${collection.uuid}/${ROOT_TOKEN}/f.txt`,
      `/c=${other.uuid}/elsewhere/g`,
    ]) {
      const answer = await request(service.url + address);
      expect([address, answer.status, answer.text]).toEqual([address, 200, FILE]);
      etags.add(answer.headers.get('etag'));
      const byContent = address.includes(collection.portable_data_hash.slice(0, 32));
      expect(answer.headers.get('cache-control')).toContain(
        byContent ? 'private, max-age=31536000, immutable' : 'private, no-cache',
      );
      expect(answer.headers.has('last-modified')).toBe(!byContent);
    }
    expect(etags.size).toBe(1);
  });

  test('with any name is found by its percent-encoded path', async () => {
    const answer = await get(`/${encodeURIComponent('dir ä')}/${encodeURIComponent(`x&'"<.txt`)}?`);
    expect([answer.status, answer.text]).toEqual([200, '0123456789']);
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="x&'\\"<.txt"`);
    expect((await get('/dir%20%C3%A4%2Fx%26%27%22%3C.txt')).status).toBe(200);
  });

  test.each(['/nothing', '/f.txt/', '/f.txt/x', '/dir%20', '/DIR', '/%2e%2e%2f%2e%2e/by_id/'])(
    'is not found at %s',
    async (path) => {
      const answer = await get(path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(405);
      expect(answer.text).not.toContain(FILE);
    },
  );

  test('is sent to a POST too, and a method that is not there is refused', async () => {
    expect((await get('/f.txt', {}, 'POST')).text).toBe(FILE);
    expect((await get('/f.txt', {}, 'PATCH')).status).toBe(405);
  });
});

async function storeReads(): Promise<number> {
  const { text } = await request(`${service.url}/metrics`, { token: service.managementToken });
  return Number(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}

describe('a block that is lost or bad', () => {
  test('breaks the answer off: it never ends as a complete short file', async () => {
    const [first, second] = await stored(service, blockOf('first block, good'), blockOf('second block, to be lost'));
    const made = await createCollection(service, `. ${first.locator} ${second.locator} 0:41:both\n`);
    await service.r2('BLOCKS').delete(`${second.hash.slice(0, 3)}/${second.hash}`);
    await expect(request(`${service.url}/c=${made.uuid}/both`)).rejects.toThrow();
    const good = await request(`${service.url}/c=${made.uuid}/both`, { headers: { range: 'bytes=0-16' } });
    expect(good.text).toBe('first block, good');
    // Known before the first byte, it is an error with a status.
    const lost = await request(`${service.url}/c=${made.uuid}/both`, { headers: { range: 'bytes=17-20' } });
    expect([lost.status, lost.text]).toEqual([502, 'the data of this file cannot be read\n']);
  });

  test('that was stored in parts is hashed before any range of it is served', async () => {
    const data = new Uint8Array(6 << 20).fill(7);
    const block = blockOf(data);
    const key = `${block.hash.slice(0, 3)}/${block.hash}`;
    await service.r2('BLOCKS').putInParts(key, data);
    const made = await createCollection(service, `. ${block.locator} 0:${data.length}:big\n`);
    const path = `${service.url}/c=${made.uuid}/big`;
    const range = await request(path, { headers: { range: 'bytes=5242879-5242880' } });
    expect([range.status, [...range.body]]).toEqual([206, [7, 7]]);
    // Verified once, it comes from the edge cache from then on, which has it a moment after the answer.
    const readsOfPart = async () => {
      const before = await storeReads();
      await request(path, { headers: { range: 'bytes=0-9' } });
      return (await storeReads()) - before;
    };
    await expect.poll(readsOfPart).toBe(0);
    const reads = await storeReads();
    expect((await request(path, { headers: { range: 'bytes=100-199' } })).body).toEqual(new Uint8Array(100).fill(7));
    expect((await request(path)).body.length).toBe(data.length);
    expect(await storeReads()).toBe(reads);
    const wrong = data.slice();
    wrong[3] = 8;
    const badBlock = { ...blockOf(new Uint8Array(6 << 20).fill(9)) };
    await service.r2('BLOCKS').putInParts(`${badBlock.hash.slice(0, 3)}/${badBlock.hash}`, wrong);
    const bad = await createCollection(service, `. ${badBlock.locator} 0:100:start\n`);
    expect((await request(`${service.url}/c=${bad.uuid}/start`)).status).toBe(502);
  });
});

describe('a download', () => {
  test('is written to the log with who, what and from where, once for a burst of ranges, and without the token', async () => {
    const { uuid } = (await api(service, 'users/current')).json;
    const made = await createCollection(service, `. ${A.locator} 0:10:logged\n`);
    const address = `/c=${made.uuid}/t=${ROOT_TOKEN}/logged`;
    for (const range of ['bytes=3-4', 'bytes=5-6', 'bytes=0-1', 'bytes=7-8']) {
      await request(service.url + address, { headers: { range } });
    }
    expect((await request(`${service.url}/c=${made.uuid}/nothing`)).status).toBe(404);
    const events = async () => {
      const items: Record<string, unknown>[] = (await api(service, 'logs', { query: { limit: 1000 } })).json.items;
      return items.filter(({ properties }) => (properties as Record<string, unknown>).collection_uuid === made.uuid);
    };
    await expect.poll(async () => (await events()).length, { timeout: 20_000 }).toBe(2);
    const [event] = await events();
    expect(event).toMatchObject({
      event_type: 'file_download',
      object_uuid: uuid,
      properties: {
        reqPath: `/c=${made.uuid}/t=…/logged`,
        collection_uuid: made.uuid,
        collection_file_path: 'logged',
        file_count: 1,
        portable_data_hash: made.portable_data_hash,
      },
    });
    const line = await service.waitForLog((entry) => entry.collection_uuid === made.uuid);
    expect(line).toMatchObject({ user_uuid: uuid, collection_file_path: 'logged', respStatusCode: 206, respBytes: 2 });
    for (const path of [
      `/c=${made.uuid}//t=${ROOT_TOKEN}//logged`,
      `//collections//download//${made.uuid}//${ROOT_TOKEN}//logged`,
    ])
      expect((await request(service.url + path)).text).toBe('0123456789');
    await expect.poll(async () => (await events()).length, { timeout: 20_000 }).toBe(4);
    expect(JSON.stringify([await events(), service.logs])).not.toContain(ROOT_TOKEN);
  });
});
