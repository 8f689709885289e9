import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';
import { tool } from '../support/tools.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service?.stop());

test('a file whose name is not UTF-8 is read at its percent-encoded bytes, and is listed with them', async () => {
  const block = blockOf('0123456789');
  await stored(service, block);
  const { uuid } = await createCollection(
    service,
    `. ${block.locator} 0:10:M\\334ller.txt\n./d\\377 ${block.locator} 0:4:x\n`,
  );
  const url = `${service.url}/c=${uuid}`;
  const headers = { authorization: `Bearer ${service.rootToken}` };
  const answer = await request(`${url}/M%DCller.txt`, { headers });
  expect([answer.status, answer.text]).toEqual([200, '0123456789']);
  expect((await request(`${url}/M%C3%9Cller.txt`, { headers })).status).toBe(404);
  expect((await request(`${url}/d%FF/x`, { headers })).text).toBe('0123');
  expect((await request(`${url}/d%ff/%`, { headers })).status).toBe(400);
  const listing = await request(`${url}/`, { headers, method: 'PROPFIND' });
  expect(listing.text).toContain(`<D:href>/c=${uuid}/M%DCller.txt</D:href>`);
  expect(listing.text).toContain(`<D:href>/c=${uuid}/d%FF/x</D:href>`);
});

test('such a file is selected by its bytes in a query, a form and JSON, and its archive is readable to Python', async () => {
  const block = blockOf('0123456789');
  await stored(service, block);
  const { uuid } = await createCollection(service, `. ${block.locator} 0:10:M\\334ller.txt 0:3:\\303\\244\n`);
  const headers = { authorization: `Bearer ${service.rootToken}`, accept: 'application/zip' };
  const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  const url = `${service.url}/c=${uuid}/`;
  const page = await request(url, { headers: { ...headers, accept: 'text/html' } });
  expect(page.text).toContain('name="encoded_files" value="M%DCller.txt"');
  const archives = [
    await request(`${url}?files=M%DCller.txt`, { headers }),
    await request(url, { headers: form, method: 'POST', body: 'files=M%DCller.txt' }),
    await request(url, { headers: form, method: 'POST', body: 'encoded_files=M%25DCller.txt' }),
    await request(url, {
      headers: { ...headers, 'content-type': 'application/json' },
      method: 'POST',
      body: '{"files":["M\\udcdcller.txt"]}',
    }),
  ];
  const directory = await mkdtemp(join(tmpdir(), 'keep-edge-names-'));
  try {
    for (const { status, body } of [...archives, await request(url, { headers })]) {
      expect(status).toBe(200);
      await writeFile(join(directory, 'a.zip'), body);
      const script =
        'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); z.testzip(); print([[i.filename.encode("utf-8" if i.flag_bits & 0x800 else "cp437").hex(), i.flag_bits & 0x800] for i in z.infolist()])';
      const names = await tool('python3', ['-c', script, join(directory, 'a.zip')]);
      expect(names).toContain(`['4ddc6c6c65722e747874', 0]`);
      if (names.includes('c3a4')) expect(names).toContain(`['c3a4', 2048]`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
