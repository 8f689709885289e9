import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { api, createUser, type Json } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { putBlock, randomBlock, request } from '../support/keep.ts';
import { waitForList } from '../support/queues.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey, R2_ARCHIVE, R2_VOLUME, r2Volume } from '../support/volumes.ts';

/** The balancer end to end, with times of seconds. */

/** Long enough for what a slow machine does before it is over. */
const TTL_SECONDS = 5;
const VARS = {
  BLOB_SIGNING_TTL: `${TTL_SECONDS}s`,
  BLOB_TRASH_LIFETIME: '1s',
  DEFAULT_TRASH_LIFETIME: '1s',
  BACKUP_LIFETIME: '0s',
  BLOB_TRASH_CHECK_INTERVAL: '1s',
  BALANCE_MAX_TRASH_SHARE: 1,
  EDGE_CACHE: false,
};
const TWO_MOUNTS = {
  r2: ['ARCHIVE'],
  vars: { ...VARS, VOLUMES: { [R2_VOLUME]: r2Volume('BLOCKS'), [R2_ARCHIVE]: r2Volume('ARCHIVE') } },
};

async function operator(service: TestService, path: string, method = 'GET', token?: string): Promise<Json> {
  const answer = await request(`${service.url}/keep-edge/v1/${path}`, {
    method,
    ...(token === undefined ? {} : { token }),
  });
  return { status: answer.status, json: answer.text.startsWith('{') ? JSON.parse(answer.text) : answer.text };
}

/** Starts a run and waits for its end. */
async function balance(service: TestService, action = 'run'): Promise<Json> {
  const started = await operator(service, `balance/${action}`, 'POST');
  expect(started.status, JSON.stringify(started.json)).toBe(200);
  return ended(service, started.json.id);
}

async function ended(service: TestService, id: number): Promise<Json> {
  for (;;) {
    const { json } = await operator(service, 'balance');
    const run = json.runs.find((candidate: Json) => candidate.id === id);
    if (['done', 'failed', 'waiting'].includes(run.phase)) return { ...run, lost: json.lost };
    await setTimeout(50);
  }
}

const manifest = (...blocks: { locator: string; data: Uint8Array }[]) =>
  blocks.map(({ locator, data }, i) => `. ${locator} 0:${data.length}:file${i}\n`).join('');

/** Deletes a collection for good: into the trash, past its time there, swept. */
async function erase(service: TestService, uuid: string): Promise<void> {
  expect((await api(service, `collections/${uuid}`, { method: 'DELETE' })).status).toBe(200);
  await setTimeout((TTL_SECONDS + 1) * 1000);
  await service.scheduled();
  expect((await api(service, `collections/${uuid}`, { query: { include_trash: true } })).status).toBe(404);
}

const stored = (service: TestService, hash: string, bucket = 'BLOCKS') => service.r2(bucket).list(dataKey(hash));

test('what no collection names is trashed when its signatures have expired, and nothing else', async () => {
  await using service = await startService({ vars: VARS });
  const [kept, trashed, shared, never] = [randomBlock(1000), randomBlock(2000), randomBlock(3000), randomBlock(4000)];
  for (const block of [kept, trashed, shared, never]) await putBlock(service.url, block);
  await createCollection(service, manifest(kept, shared));
  const { uuid } = await createCollection(service, manifest(trashed, shared));

  // The first run never sends anything, whatever it is asked to do.
  const first = await balance(service);
  expect(first).toMatchObject({ dry_run: true, phase: 'done' });
  expect(first.counts).toMatchObject({ named_blocks: 3, stored_blocks: 4, unnamed_blocks: 1, trash_copies: 0 });

  await erase(service, uuid);
  // The deleted collection's block is unnamed from this run on, the other one since the first.
  const second = await balance(service);
  expect(second.counts).toMatchObject({ named_blocks: 2, unnamed_blocks: 2, unnamed_bytes: 6000, trash_copies: 1 });
  expect((await waitForList(service, 'trash')).done).toEqual({ trashed: 1 });
  expect(await stored(service, never.hash)).toEqual([]);
  expect(await stored(service, trashed.hash)).toHaveLength(1);

  const early = await operator(service, `balance/explain/${trashed.locator}`);
  expect(early.json).toMatchObject({ named_by: { count: 0 }, copies: [{ mount: expect.any(String) }] });
  expect(early.json.verdict).toContain('Kept for now');

  await setTimeout((TTL_SECONDS + 1) * 1000);
  expect((await balance(service)).counts).toMatchObject({ trash_copies: 1, trash_bytes: 2000 });
  expect((await waitForList(service, 'trash')).done).toEqual({ trashed: 1 });
  expect(await stored(service, trashed.hash)).toEqual([]);
  for (const { hash } of [kept, shared]) expect(await stored(service, hash)).toHaveLength(1);
  await setTimeout(2000);
  await service.scheduled();
  expect(await service.r2('BLOCKS').list('trash/')).toEqual([]);
});

test('what a backup can still restore is kept: replaced content, and deleted collections', async () => {
  await using service = await startService({ vars: { ...VARS, BACKUP_LIFETIME: '1h' } });
  const [first, second] = [randomBlock(1000), randomBlock(2000)];
  for (const block of [first, second]) await putBlock(service.url, block);
  const { uuid } = await createCollection(service, manifest(first));
  await api(service, `collections/${uuid}`, {
    method: 'PATCH',
    body: { collection: { manifest_text: manifest(second) } },
  });
  expect((await balance(service)).counts).toMatchObject({ named_blocks: 2, unnamed_blocks: 0 });
  await erase(service, uuid);
  // The replaced revision goes with its signatures; the last one stays as long as backups of deleted collections do.
  const run = await balance(service);
  expect(run.counts).toMatchObject({ named_blocks: 1, named_bytes: 2000 });
});

test('a block that is named again, or written again, between two runs is kept', async () => {
  await using service = await startService({ vars: VARS });
  const [renamed, rewritten] = [randomBlock(1000), randomBlock(2000)];
  for (const block of [renamed, rewritten]) await putBlock(service.url, block);
  await balance(service, 'dry-run');
  await setTimeout((TTL_SECONDS + 1) * 1000);
  await createCollection(service, manifest(renamed));
  await putBlock(service.url, rewritten);
  expect((await balance(service)).counts).toMatchObject({ unnamed_blocks: 1, trash_copies: 0 });
  for (const { hash } of [renamed, rewritten]) expect(await stored(service, hash)).toHaveLength(1);
});

test('a mount that was emptied by hand is filled again, and a block without any copy is reported with who names it', async () => {
  await using service = await startService({
    ...TWO_MOUNTS,
    vars: { ...TWO_MOUNTS.vars, BLOB_MISSING_REPORT: 'lost.txt' },
  });
  const blocks = [randomBlock(1000), randomBlock(2000), randomBlock(3000)];
  for (const block of blocks) await putBlock(service.url, block, { 'X-Keep-Desired-Replicas': '2' });
  const { uuid } = await createCollection(service, manifest(...blocks), { replication_desired: 2 });
  const [lost, ...others] = blocks as [(typeof blocks)[0], ...typeof blocks];
  for (const { hash } of blocks) {
    await service.r2('ARCHIVE').delete(dataKey(hash));
    await service.r2('ARCHIVE').delete(`recent/${dataKey(hash)}`);
  }
  for (const key of [dataKey(lost.hash), `recent/${dataKey(lost.hash)}`]) await service.r2('BLOCKS').delete(key);
  await balance(service, 'dry-run');
  const run = await balance(service);
  expect(run.counts).toMatchObject({ lost_blocks: 1, lost_bytes: 1000, underreplicated: 2, pull_copies: 2 });
  expect(run.lost).toEqual([{ locator: lost.locator, collections: [uuid] }]);
  const report = await service.r2('MANIFESTS').get('lost.txt');
  expect(new TextDecoder().decode(report ?? new Uint8Array())).toBe(`${lost.locator} ${uuid}\n`);
  expect((await waitForList(service, 'pull')).done).toEqual({ pulled: 2 });
  for (const { hash } of others) expect(await stored(service, hash, 'ARCHIVE')).toHaveLength(1);

  await balance(service);
  const { json } = await api(service, `collections/${uuid}`);
  expect(json).toMatchObject({ replication_confirmed: 0, storage_classes_confirmed: [] });
  await putBlock(service.url, lost, { 'X-Keep-Desired-Replicas': '2' });
  await balance(service);
  expect((await api(service, `collections/${uuid}`)).json).toMatchObject({
    replication_confirmed: 2,
    storage_classes_confirmed: ['default'],
  });
});

describe('a run refuses to trash', () => {
  test('when a collection cannot be read', async () => {
    await using service = await startService({ vars: VARS });
    const [garbage, large] = [randomBlock(1000), randomBlock(100)];
    for (const block of [garbage, large]) await putBlock(service.url, block);
    // Large enough to be kept in the bucket.
    const text = `. ${large.locator}${Array.from({ length: 40_000 }, (_, i) => ` 0:1:file-with-a-long-name-${i}`).join('')}\n`;
    const { uuid } = await createCollection(service, text);
    await balance(service, 'dry-run');
    for (const key of await service.r2('MANIFESTS').list('manifests/')) await service.r2('MANIFESTS').delete(key);
    await setTimeout((TTL_SECONDS + 1) * 1000);
    const run = await balance(service);
    expect(run.counts).toMatchObject({ unreadable: 1 });
    expect(run.message).toContain('nothing is trashed: 1 collections could not be read');
    expect((await operator(service, 'balance')).json.unreadable).toMatchObject([{ uuid }]);
    expect(await stored(service, garbage.hash)).toHaveLength(1);
  });

  test('more than a share of all data, until an admin confirms', async () => {
    await using service = await startService({ vars: { ...VARS, BALANCE_MAX_TRASH_SHARE: 0.5 } });
    const garbage = randomBlock(1000);
    await putBlock(service.url, garbage);
    await balance(service, 'dry-run');
    await setTimeout((TTL_SECONDS + 1) * 1000);
    const run = await balance(service);
    expect(run).toMatchObject({ phase: 'waiting' });
    expect(run.message).toContain('100 % of all stored bytes');
    expect((await operator(service, 'balance/run', 'POST')).status).toBe(422);
    expect((await operator(service, 'balance/confirm', 'POST')).json).toMatchObject({ phase: 'done' });
    expect((await waitForList(service, 'trash')).done).toEqual({ trashed: 1 });
  });
});

test('usage counts shared blocks once, for collections, projects and owners', async () => {
  await using service = await startService({ vars: VARS });
  const [a, b] = [randomBlock(1000), randomBlock(500)];
  for (const block of [a, b]) await putBlock(service.url, block);
  const user = await createUser(service, 'lab');
  const project = await api(service, 'groups', {
    token: user.token,
    body: { group: { name: 'p', group_class: 'project' } },
  });
  const owned = (owner_uuid: string, ...blocks: (typeof a)[]) =>
    createCollection(service, manifest(...blocks), { owner_uuid });
  const first = await owned(project.json.uuid, a, b);
  await owned(project.json.uuid, a);
  await owned(user.uuid, b);
  await balance(service);
  const usage = async (uuid: string) => (await operator(service, `usage?uuid=${uuid}`)).json;
  expect(await usage(first.uuid)).toMatchObject({ kind: 'collection', bytes: 1500, blocks: 2 });
  expect(await usage(project.json.uuid)).toMatchObject({ kind: 'owner', bytes: 1500, blocks: 2 });
  expect(await usage(user.uuid)).toMatchObject({ bytes: 1500, blocks: 2 });
  const all = (await operator(service, 'usage')).json;
  expect(all.latest).toMatchObject({ named_bytes: 1500, collections_bytes: 3000, collections: 3 });
  expect(all.saved_by_sharing_bytes).toBe(1500);
  // A negative number would mean all rows to the database.
  for (const limit of ['-1', '1.5', 'many']) expect((await operator(service, `usage?limit=${limit}`)).status).toBe(422);
  expect((await operator(service, 'usage', 'GET', user.token)).status).toBe(403);
  expect((await operator(service, 'balance/run', 'POST', user.token)).status).toBe(403);
});

// BALANCE_KILLS=50 takes about 100 seconds.
const KILLS = Number(process.env.BALANCE_KILLS ?? 3);

test('a run that is killed at any moment goes on where it was, and ends with the same counts', {
  timeout: 60_000 + KILLS * 4000,
}, async () => {
  await using service = await startService({ vars: { ...VARS, BLOB_SIGNING_TTL: '1h' } });
  const blocks = Array.from({ length: 60 }, (_, i) => randomBlock(100 + i));
  for (const block of blocks) await putBlock(service.url, block);
  for (let i = 0; i < 40; i++) await createCollection(service, manifest(...blocks.slice(i, i + 3)));
  const whole = await balance(service, 'dry-run');
  for (let kills = 0; kills < KILLS; kills++) {
    const { json } = await operator(service, 'balance/dry-run', 'POST');
    await setTimeout(Math.random() * 120);
    await service.kill();
    await service.restart();
    await service.scheduled();
    const run = await ended(service, json.id);
    expect(run).toMatchObject({ phase: 'done', counts: whole.counts });
  }
});

test('a quota is checked when a change commits, for the user and every project above, and counts what grew since the last run', async () => {
  await using service = await startService({ vars: VARS });
  const [a, b, c] = [randomBlock(1000), randomBlock(500), randomBlock(700)];
  for (const block of [a, b, c]) await putBlock(service.url, block);
  const user = await createUser(service, 'limited');
  const project = await api(service, 'groups', {
    token: user.token,
    body: { group: { name: 'p', group_class: 'project' } },
  });
  const owner_uuid = project.json.uuid;
  const put = (bytes: number | null) =>
    request(`${service.url}/keep-edge/v1/quotas/${user.uuid}`, { method: 'PUT', body: JSON.stringify({ bytes }) });
  expect((await put(1600)).status).toBe(200);
  const made = await createCollection(service, manifest(a), { owner_uuid });
  const create = (...blocks: (typeof a)[]) =>
    api(service, 'collections', { body: { collection: { manifest_text: manifest(...blocks), owner_uuid } } });
  expect((await create(b)).status).toBe(200);
  const refused = await create(c);
  expect(refused.status).toBe(507);
  expect(refused.json.errors[0]).toContain(`the quota of ${user.uuid} is 1600 bytes: 1500 are used`);
  const update = await api(service, `collections/${made.uuid}`, {
    method: 'PATCH',
    body: { collection: { manifest_text: manifest(a, c) } },
  });
  expect(update.status).toBe(507);
  // Shared blocks count once for their owner: after a run there is room again.
  expect((await create(a)).status).toBe(507);
  await balance(service);
  const usage = await operator(service, `usage?uuid=${user.uuid}`);
  expect(usage.json).toMatchObject({ bytes: 1500, quota: 1600 });
  expect((await put(null)).status).toBe(200);
  expect((await create(c)).status).toBe(200);
  expect((await operator(service, 'usage', 'GET', user.token)).status).toBe(403);
});

test('blocks of an upload that is open are named until it is completed or aborted', async () => {
  await using service = await startService({ vars: VARS });
  const user = await createUser(service, 'ann');
  const keys = await s3Keys(service, user.token);
  const { uuid } = await createCollection(service, '', { owner_uuid: user.uuid });
  const upload = async (key: string) =>
    /<UploadId>(.*?)</.exec(
      (await s3Request(service, `/${uuid}/${key}?uploads`, { keys, method: 'POST' })).text,
    )?.[1] ?? '';
  const [kept, aborted] = [await upload('kept'), await upload('aborted')];
  const part = (key: string, id: string, body: string) =>
    s3Request(service, `/${uuid}/${key}?partNumber=1&uploadId=${id}`, { keys, method: 'PUT', body });
  const etag = (await part('kept', kept, 'a part that is needed')).headers.get('etag') ?? '';
  await part('aborted', aborted, 'a part that is not');
  const first = await balance(service);
  expect(first.counts).toMatchObject({ named_blocks: 2, unnamed_blocks: 0 });
  await s3Request(service, `/${uuid}/aborted?uploadId=${aborted}`, { keys, method: 'DELETE' });
  await setTimeout((TTL_SECONDS + 1) * 1000);
  await balance(service);
  await setTimeout((TTL_SECONDS + 1) * 1000);
  const third = await balance(service);
  expect(third.counts).toMatchObject({ named_blocks: 1, unnamed_blocks: 1, trash_copies: 1 });
  await waitForList(service, 'trash');
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
  const done = await s3Request(service, `/${uuid}/kept?uploadId=${kept}`, { keys, method: 'POST', body });
  expect(done.status).toBe(200);
  expect((await s3Request(service, `/${uuid}/kept`, { keys })).text).toBe('a part that is needed');
});
