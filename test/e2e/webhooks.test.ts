import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { api, createUser, type Json } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { putBlock, randomBlock, request } from '../support/keep.ts';
import { startService } from '../support/service.ts';
import { dataKey } from '../support/volumes.ts';
import { sectionOf } from '../unit/docs/repository.ts';

const SECRET = 'webhooksecretwebhooksecretwebhooksecret';

/** The check of docs/operate.md, as a receiver would copy it. */
async function documentedCheck(): Promise<(headers: IncomingHttpHeaders, body: string, secret: string) => boolean> {
  const code = /```js\n(.*?)```/s.exec(sectionOf('docs/operate.md', 'Webhooks'))?.[1] ?? '';
  const module = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    isFromKeepEdge: (headers: IncomingHttpHeaders, body: string, secret: string) => boolean;
  };
  return module.isFromKeepEdge;
}

test('a receiver is told of commits, shares and lost blocks, signed as the docs check it, and again after a failure', async () => {
  const isFromKeepEdge = await documentedCheck();
  const told: Json[] = [];
  let statusOf = (_: string) => 200;
  let asked = 0;
  const receiver = createServer(async (incoming, answer) => {
    asked++;
    let body = '';
    for await (const chunk of incoming) body += chunk;
    expect(isFromKeepEdge(incoming.headers, body, SECRET)).toBe(true);
    expect(isFromKeepEdge(incoming.headers, body, `${SECRET}x`)).toBe(false);
    expect(isFromKeepEdge(incoming.headers, `${body} `, SECRET)).toBe(false);
    told.push({ path: incoming.url, ...JSON.parse(body) });
    answer.writeHead(statusOf(incoming.url ?? ''), { location: '/elsewhere' }).end('not read');
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  await using service = await startService({
    vars: {
      WEBHOOKS: { all: { URL: `${base}/all`, Events: ['commit', 'share', 'lost'] } },
      WEBHOOK_SECRET: SECRET,
      EDGE_CACHE: 'off',
    },
  });
  const next = (matches: Json) =>
    vi.waitFor(() => {
      const found = told.find((body) => Object.entries(matches).every(([name, value]) => body[name] === value));
      if (found === undefined) throw new Error(`not told yet: ${JSON.stringify([matches, told])}`);
      return found;
    }, 40_000);

  const block = randomBlock(1000);
  await putBlock(service.url, block);
  const made = await createCollection(service, `. ${block.locator} 0:1000:a.bin\n`);
  const { uuid } = made;
  const created = await next({ event: 'commit', uuid, path: '/all' });
  expect(created).toMatchObject({ portable_data_hash: made.portable_data_hash, user: 'xedge-tpzed-000000000000000' });

  statusOf = () => 302;
  const headers = { 'X-Request-Id': 'req-that-wrote-b' };
  const written = await request(`${service.url}/c=${uuid}/b.txt`, { method: 'PUT', body: 'b', headers });
  expect(written.status).toBe(201);
  const current = await api(service, `collections/${uuid}`);
  const first = await next({ event: 'commit', portable_data_hash: current.json.portable_data_hash });
  expect(first.request_id).toBe('req-that-wrote-b');
  expect(told.filter(({ path }) => path !== '/all')).toEqual([]);
  statusOf = () => 200;
  told.length = 0;
  expect(await next({ event: 'commit', id: first.id })).toMatchObject({ uuid });

  const reader = await createUser(service, 'reader');
  const link = { link_class: 'permission', name: 'can_read', tail_uuid: reader.uuid, head_uuid: uuid };
  expect((await api(service, 'links', { body: { link } })).status).toBe(200);
  expect((await next({ event: 'share', uuid })).request_id).toMatch(/^req-/);

  await service.r2('BLOCKS').delete(dataKey(block.hash));
  await request(`${service.url}/keep-edge/v1/balance/run`, { method: 'POST' });
  const lost = await next({ event: 'lost', uuid });
  expect(lost).toMatchObject({ user: null, request_id: null, blocks: [`${block.hash}+1000`] });

  receiver.close();
  const another = await createCollection(service, `. ${(await putAnother(service.url)).locator} 0:10:c\n`);
  expect(another.uuid).toMatch(/^xedge-4zz18-/);
  expect(asked).toBeGreaterThanOrEqual(5);
});

async function putAnother(url: string) {
  const block = randomBlock(10);
  await putBlock(url, block);
  return block;
}
