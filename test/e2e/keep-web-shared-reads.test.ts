import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCollection, stored } from '../support/collections.ts';
import { md5, randomBlock, request, type TestBlock } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

let service: TestService;
let directory: string;
beforeAll(async () => {
  // Without a cache, so that each read of a block is one of the store.
  service = await startService({ vars: { EDGE_CACHE: false } });
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-reads-'));
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function storeReads(): Promise<number> {
  const { text } = await request(`${service.url}/metrics`, { token: service.managementToken });
  return Number(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}
async function readsOf<T>(act: () => Promise<T>): Promise<[T, number]> {
  const before = await storeReads();
  const result = await act();
  return [result, (await storeReads()) - before];
}

const ZIP = '?accept=application/zip&disposition=attachment';
/** MD5s by name, as Python reads them, checksums tested. */
async function unzip(archive: Uint8Array): Promise<Record<string, string>> {
  const file = join(directory, 'a.zip');
  await writeFile(file, archive);
  const script =
    'import hashlib,json,sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint(json.dumps({n: hashlib.md5(z.read(n)).hexdigest() for n in z.namelist()}))';
  return JSON.parse(execFileSync('python3', ['-c', script, file], { maxBuffer: 1 << 27 }).toString());
}

describe('an answer reads each block once', () => {
  test('an archive of 2,001 files in one block of 200 KB, and a resumed one', async () => {
    const block = randomBlock(200_100);
    await stored(service, block);
    const files = Array.from({ length: 2001 }, (_, i) => `${i * 100}:100:f${i}`).join(' ');
    const { uuid } = await createCollection(service, `. ${block.locator} ${files}\n`);
    const url = `${service.url}/c=${uuid}/${ZIP}`;
    const [whole, reads] = await readsOf(() => request(url));
    expect([whole.status, reads]).toEqual([200, 1]);
    const found = await unzip(whole.body);
    expect(Object.keys(found).length).toBe(2001);
    for (const i of [0, 1, 999, 2000]) expect(found[`f${i}`]).toBe(md5(block.data.subarray(i * 100, (i + 1) * 100)));
    // The end of the archive alone, by a service that knows no checksum.
    await service.restart();
    const range = { range: `bytes=${whole.body.length - 50_000}-` };
    const [tail, again] = await readsOf(() => request(url, { headers: range }));
    expect([tail.status, again, md5(tail.body)]).toEqual([206, 1, md5(whole.body.subarray(-50_000))]);
  });

  test('an archive of 20,000 files, in scattered order over six blocks', async () => {
    const blocks = Array.from({ length: 6 }, () => randomBlock(1_000_000));
    await stored(service, ...blocks);
    const lines = blocks.map((block: TestBlock, b) => {
      // Names sort in another order than that of the bytes.
      const files = Array.from({ length: 3334 }, (_, i) => `${i * 250}:250:${(i * 7919 + b * 13) % 10007}-${b}-${i}`);
      return `. ${block.locator} ${files.join(' ')}\n`;
    });
    const { uuid } = await createCollection(service, lines.join(''));
    const [whole, reads] = await readsOf(() => request(`${service.url}/c=${uuid}/${ZIP}`));
    expect([whole.status, reads]).toEqual([200, 6]);
    const found = await unzip(whole.body);
    expect(Object.keys(found).length).toBe(6 * 3334);
    for (const [name, sum] of Object.entries(found)) {
      const [, b, i] = name.split('-').map(Number) as [number, number, number];
      if (sum !== md5(blocks[b]?.data.subarray(i * 250, i * 250 + 250) ?? '')) throw new Error(`${name} is wrong`);
    }
  }, 120_000);

  test('ranges of a multipart answer, and segments of a file', async () => {
    const [a, b] = [randomBlock(3_000_000), randomBlock(1_000_000)];
    await stored(service, a, b);
    const pieces = Array.from({ length: 500 }, (_, i) => [((i * 613) % 500) * 6000, 1000] as const);
    const file = pieces.map(([offset, length]) => `${offset}:${length}:shuffled`).join(' ');
    const { uuid } = await createCollection(service, `. ${a.locator} ${b.locator} 0:4000000:whole ${file}\n`);
    const ranges = Array.from({ length: 200 }, (_, i) => `${i * 15_000}-${i * 15_000 + 99}`).join(',');
    const [several, reads] = await readsOf(() =>
      request(`${service.url}/c=${uuid}/whole`, { headers: { range: `bytes=${ranges}` } }),
    );
    expect([several.status, reads]).toEqual([206, 1]);
    const [shuffled, once] = await readsOf(() => request(`${service.url}/c=${uuid}/shuffled`));
    const expected = Buffer.concat(pieces.map(([offset, length]) => a.data.subarray(offset, offset + length)));
    expect([shuffled.status, once, md5(shuffled.body)]).toEqual([200, 1, md5(expected)]);
  });
});

describe('a manifest of n blocks and m files that span them all', () => {
  const [n, m] = [3000, 3000];
  const block = randomBlock(64);
  let url: string;

  beforeAll(async () => {
    await stored(service, block);
    const locators = Array.from({ length: n }, () => block.locator).join(' ');
    const files = Array.from({ length: m }, (_, i) => `${i % 64}:${(n - 1) * 64}:f${i}`).join(' ');
    const { uuid } = await createCollection(service, `. ${locators} ${files}\n`);
    url = `${service.url}/c=${uuid}/`;
  });

  test('is listed by PROPFIND, with ETags that tell the files apart', async () => {
    const answer = await request(url, { method: 'PROPFIND', headers: { depth: '1' } });
    expect(answer.status).toBe(207);
    const etags = [...answer.text.matchAll(/<D:getetag>([^<]*)</g)].map(([, etag]) => etag);
    expect([etags.length, new Set(etags).size]).toEqual([m, 64]);
  });

  test('gives the end of its archive, with the checksum of each file, for one read of the block', async () => {
    const head = await request(`${url}${ZIP}`, { method: 'HEAD' });
    const size = Number(head.headers.get('content-length'));
    const [tail, reads] = await readsOf(() =>
      request(`${url}${ZIP}`, { headers: { range: `bytes=${size - 150_000}-` } }),
    );
    expect([tail.status, reads]).toEqual([206, 1]);
    // Records of the last files, held against zlib's checksums of their bytes.
    const body = Buffer.from(tail.body);
    const script = 'import sys,zlib; sys.stdout.write(str(zlib.crc32(sys.stdin.buffer.read())))';
    let checked = 0;
    for (let at = body.indexOf('PK\x01\x02'); at >= 0 && checked < 5; at = body.indexOf('PK\x01\x02', at + 20_000)) {
      const name = body.toString('latin1', at + 46, at + 46 + body.readUInt16LE(at + 28));
      const start = Number(name.slice(1)) % 64;
      const bytes = Buffer.concat(Array.from({ length: n }, () => block.data)).subarray(start, start + (n - 1) * 64);
      expect([name, String(body.readUInt32LE(at + 16))]).toEqual([
        name,
        execFileSync('python3', ['-c', script], { input: bytes }).toString(),
      ]);
      checked++;
    }
    expect(checked).toBeGreaterThan(2);
  });
});
