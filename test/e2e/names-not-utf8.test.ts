import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCollection, stored } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

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
