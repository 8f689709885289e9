import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeEach, expect, test } from 'vitest';
import type { WebhookQueue } from '../../../src/app/webhook-object.ts';
import { type DeliverContext, deliverDue } from '../../../src/webhooks/deliver.ts';
import { createDeliveryRows, type DeliveryRows } from '../../../src/webhooks/delivery-rows.ts';
import { type Happening, type Webhook, webhookSignature } from '../../../src/webhooks/webhook.ts';
import { createWebhooks } from '../../../src/webhooks/webhooks.ts';
import { database, emptyDatabase } from '../support/database.ts';

/** The queue's rows in a real Durable Object over the real D1; receivers and the clock are the test's own. */

const { WEBHOOK_QUEUE } = env as unknown as { WEBHOOK_QUEUE: DurableObjectNamespace<WebhookQueue> };
const USER = 'xedge-tpzed-00000000000000a';
const PROJECT = 'xedge-j7d0g-000000000000001';
const INNER = 'xedge-j7d0g-000000000000002';
const DEEP = 'xedge-4zz18-000000000000001';
const OTHER = 'xedge-4zz18-000000000000002';
const HASH = 'd41d8cd98f00b204e9800998ecf8427e+0';
const HOUR = 3_600_000;
const URL_A = 'https://a.example.org/';
const URL_B = 'https://b.example.org/';

const commit = (uuid: string): Happening => ({ event: 'commit', uuid, user: USER, time: '2026-11-28T00:00:00.000Z' });
const receiver = (url: string, more: Partial<Webhook> = {}): Webhook => ({
  url,
  events: ['commit'],
  owner: null,
  ...more,
});

let db: D1Database;
let serial = 0;
let now: number;
let sent: { url: string; body: Record<string, unknown> }[];
let takes: (url: string) => boolean;

beforeEach(async () => {
  db = await database();
  await emptyDatabase(db);
  now = 1_000_000_000_000;
  sent = [];
  takes = () => true;
  const group =
    'INSERT INTO groups (uuid, owner_uuid, name, group_class, created_at, modified_at, modified_by_user_uuid)';
  const time = '2026-11-28T00:00:00.000000000Z';
  for (const [uuid, owner] of [
    [PROJECT, USER],
    [INNER, PROJECT],
  ])
    await db.prepare(`${group} VALUES (?, ?, ?, 'project', ?, ?, ?)`).bind(uuid, owner, uuid, time, time, USER).run();
  for (const [uuid, owner] of [
    [DEEP, INNER],
    [OTHER, USER],
  ])
    await db
      .prepare(
        `INSERT INTO collections (uuid, owner_uuid, name, portable_data_hash, manifest_inline, manifest_bytes,
           file_count, file_size_total, created_at, modified_at, modified_by_user_uuid)
         VALUES (?, ?, ?, ?, '', 0, 0, 0, ?, ?, ?)`,
      )
      .bind(uuid, owner, uuid, HASH, time, time, USER)
      .run();
});

/** Works on the rows of a new queue. */
function queue(
  act: (
    rows: DeliveryRows,
    deliver: (webhooks: Webhook[], more?: Partial<DeliverContext>) => Promise<number | null>,
  ) => Promise<void>,
  limit = 100,
) {
  return runInDurableObject(WEBHOOK_QUEUE.getByName(`test${serial++}`), async (_, { storage }) => {
    const rows = createDeliveryRows(storage, limit);
    const send = async (url: string, body: string) => {
      sent.push({ url, body: JSON.parse(body) as Record<string, unknown> });
      return takes(url);
    };
    await act(rows, (webhooks, more = {}) =>
      deliverDue({ rows, webhooks, secret: 's', db, send, now: () => now, until: now + 1, ...more }),
    );
  });
}

test('each receiver gets what it asked for, with what the collection is now', async () => {
  await queue(async (rows, deliver) => {
    rows.addEvents([commit(DEEP), commit(OTHER), { ...commit(OTHER), event: 'share', requestId: 'req-1' }]);
    await deliver([receiver(URL_A, { owner: PROJECT }), receiver(URL_B, { events: ['share', 'lost'] })]);
    const body = { user: USER, portable_data_hash: HASH, time: '2026-11-28T00:00:00.000Z', id: expect.any(String) };
    expect(sent).toEqual([
      { url: URL_A, body: { ...body, event: 'commit', uuid: DEEP, owner_uuid: INNER, request_id: null } },
      { url: URL_B, body: { ...body, event: 'share', uuid: OTHER, owner_uuid: USER, request_id: 'req-1' } },
    ]);
    expect(rows.waiting()).toBe(0);
  });
});

test('a receiver that refuses is asked again after growing pauses for a day, with the same id, and then no more', async () => {
  takes = () => false;
  await queue(async (rows, deliver) => {
    rows.addEvents([commit(DEEP)]);
    const began = now;
    const pauses: number[] = [];
    for (let next: number | null = now; next !== null; ) {
      now = next;
      next = await deliver([receiver(URL_A)]);
      if (next !== null) pauses.push(next - now);
    }
    expect(pauses.slice(0, 3)).toEqual([10_000, 20_000, 40_000]);
    expect(Math.max(...pauses)).toBe(HOUR);
    expect(now - began).toBeGreaterThan(22 * HOUR);
    expect(now - began).toBeLessThan(24 * HOUR);
    expect(new Set(sent.map(({ body }) => body.id)).size).toBe(1);
    expect(rows.waiting()).toBe(0);
  });
});

test('a receiver that refuses keeps no other waiting', async () => {
  takes = (url) => url === URL_B;
  await queue(async (rows, deliver) => {
    rows.addEvents([commit(DEEP), commit(OTHER)]);
    expect(await deliver([receiver(URL_A), receiver(URL_B)])).toBe(now + 10_000);
    expect(sent.filter(({ url }) => url === URL_B)).toHaveLength(2);
    expect(rows.waiting()).toBe(2);
  });
});

test('there is room for a bounded number, and what a receiver that is gone should have got makes room', async () => {
  takes = () => false;
  await queue(async (rows, deliver) => {
    expect(rows.addEvents([commit(DEEP), commit(OTHER), commit(DEEP), commit(OTHER)])).toBe(1);
    await deliver([receiver(URL_A), receiver(URL_B)]);
    expect(rows.waiting()).toBe(3);
    expect(await deliver([receiver(URL_B)])).toBe(now + 10_000);
    expect(rows.waiting()).toBe(1);
    expect(await deliver([])).toBeNull();
    expect(rows.waiting()).toBe(0);
  }, 3);
});

test('while the database does not answer events wait, and what was sorted goes out', async () => {
  const broken = {
    prepare: () => {
      throw new Error('no database');
    },
  } as unknown as D1Database;
  takes = () => false;
  await queue(async (rows, deliver) => {
    rows.addEvents([commit(DEEP)]);
    await deliver([receiver(URL_A)]);
    now += 10_000;
    takes = () => true;
    rows.addEvents([commit(OTHER)]);
    expect(await deliver([receiver(URL_A)], { db: broken })).toBe(now + 10_000);
    expect(sent.map(({ body }) => body.uuid)).toEqual([DEEP, DEEP]);
    expect(await deliver([receiver(URL_A)])).toBeNull();
    expect(sent.at(-1)?.body.uuid).toBe(OTHER);
  });
});

test('a queue that does not answer is never the failure of the one who tells', async () => {
  const work: Promise<unknown>[] = [];
  const getByName = () => ({ tell: () => Promise.reject(new Error('overloaded')) });
  const webhooks = createWebhooks({ getByName } as unknown as DurableObjectNamespace, [receiver(URL_A)], (w) =>
    work.push(w),
  );
  webhooks.tell([commit(DEEP)]);
  expect(await Promise.all(work)).toEqual([undefined]);
  webhooks.tell([{ ...commit(DEEP), event: 'lost' }]);
  expect(work).toHaveLength(1);
});

test('the signature is HMAC-SHA256 over timestamp, dot and body', async () => {
  // printf '1.{}' | openssl dgst -sha256 -hmac secret
  expect(await webhookSignature('secret', '1', '{}')).toBe(
    '1122767b193110cfec322b6f199b599edbf608ed087f2d27afb0b97d99523908',
  );
});
