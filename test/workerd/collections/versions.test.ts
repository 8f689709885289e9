import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { backupsSource } from '../../../src/balance/backups-source.ts';
import { readBackup } from '../../../src/collections/backup.ts';
import { sweepBackups } from '../../../src/collections/backup-sweep.ts';
import { type Collections, createCollections } from '../../../src/collections/collections.ts';
import { sweepVersions } from '../../../src/collections/versions.ts';
import { database, ROOT } from '../support/database.ts';

/** How long past versions stay, with their texts, their backups and, for the balancer, their blocks. */

const DAY = 86_400;
const MAX_AGE = { kept: 100 * DAY, repacked: 30 * DAY };
const BY_ROOT = { user: ROOT, tokenUuid: null };
let db: D1Database;
let manifests: R2Bucket;
let collections: Collections;
/** Unix milliseconds. Objects in the bucket have the real time, so this one is never behind it. */
let now = 0;

beforeEach(async () => {
  db = await database();
  manifests = (env as unknown as { MANIFESTS: R2Bucket }).MANIFESTS;
  now = Date.now();
  collections = createCollections({
    db,
    manifests,
    clusterId: 'xedge',
    defaultStorageClasses: ['default'],
    trashLifetimeSeconds: DAY,
    versions: { automatic: true, idleSeconds: 0, maxAgeSeconds: MAX_AGE },
    now: () => now,
  });
});

/** A text that is too large for a row. */
const large = (block: string) =>
  collections.stage(
    [
      new TextEncoder().encode(
        `. ${block}+1 ${Array.from({ length: 2000 }, (_, i) => `0:1:${block.slice(0, 20)}-${i}-a-long-name-of-a-file`).join(' ')}\n`,
      ),
    ],
    null,
  );
const block = (digit: number) => `${digit}`.repeat(32);
const sweep = async (uuid: string) => {
  await sweepVersions(db, MAX_AGE, now);
  return sweepBackups(uuid, { db, manifests, supersededSeconds: DAY, deletedSeconds: DAY, now: () => now });
};

interface VersionRow {
  uuid: string;
  revision: number;
  manifest_key: string | null;
}
async function versionsOf(uuid: string): Promise<VersionRow[]> {
  const { results } = await db
    .prepare('SELECT uuid, revision, manifest_key FROM collection_versions WHERE current_version_uuid = ?')
    .bind(uuid)
    .all<VersionRow>();
  return results;
}

/** Texts of the bucket that backups of this collection name. */
async function namedByBackups(uuid: string): Promise<{ revision: number; past: string | null; text: string | null }[]> {
  const { objects } = await manifests.list({ prefix: `backups/collections/${uuid}/` });
  const backups = await Promise.all(objects.map(({ key }) => readBackup(manifests, key)));
  return backups.flatMap((backup) =>
    backup === null
      ? []
      : { revision: backup.header.revision, past: backup.header.past?.uuid ?? null, text: backup.header.manifest_key },
  );
}

test('a version stays with its text and its backup for its time, and the balancer sees its blocks until then', async () => {
  const { record } = await collections.create({ attributes: {}, manifest: await large(block(1)) }, ROOT);
  const uuid = String(record.uuid);
  await collections.update(uuid, { attributes: {}, manifest: await large(block(2)) }, BY_ROOT);
  const [past] = await versionsOf(uuid);
  now += 99 * DAY * 1000;
  await sweep(uuid);
  expect(await versionsOf(uuid)).toEqual([past]);
  expect(await manifests.head(past?.manifest_key ?? '')).not.toBeNull();
  expect((await namedByBackups(uuid)).map((each) => each.past)).toContain(past?.uuid);
  const source = backupsSource({ db, manifests, batch: 100, defaultReplication: 1 });
  const { texts } = await source.page(`backups/collections/${uuid}/`);
  const [named] = texts.filter((text) => text.uuid === uuid);
  expect(await new Response((await named?.open()) as ReadableStream).text()).toContain(` ${block(1)}+1 `);

  now += 2 * DAY * 1000;
  await sweep(uuid);
  expect(await versionsOf(uuid)).toEqual([]);
  expect(await manifests.head(past?.manifest_key ?? '')).toBeNull();
  expect(await namedByBackups(uuid)).toHaveLength(1);
});

test('of more versions than one page of a sweep has, those whose time has passed go, and what was superseded later, too', {
  timeout: 60_000,
}, async () => {
  const { record } = await collections.create({ attributes: {}, manifest: null }, ROOT);
  const uuid = String(record.uuid);
  for (let i = 0; i < 300; i++)
    await collections.update(uuid, { attributes: { description: `${i}` }, manifest: null }, BY_ROOT);
  await collections.update(uuid, { attributes: { replication_desired: 1 }, manifest: null }, BY_ROOT);
  await collections.update(uuid, { attributes: { replication_desired: 2 }, manifest: null }, BY_ROOT);
  now += 50 * DAY * 1000;
  for (let i = 0; i < 3; i++) await sweep(uuid);
  expect(await versionsOf(uuid)).toHaveLength(300);
  // One for each version, and the current state: the two that only differ in what no version has are gone.
  const left = await namedByBackups(uuid);
  expect(new Set(left.map(({ revision }) => revision)).size).toBe(301);
});

type Step = 'text' | 'name' | 'replication' | 'day' | 'month' | 'restore';

test('whatever changes and sweeps come in between, every version can be read, and no text is left that nothing names', {
  timeout: 120_000,
}, async () => {
  const step = fc.constantFrom<Step>('text', 'text', 'name', 'replication', 'day', 'month', 'restore');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      now = Date.now();
      const { record } = await collections.create({ attributes: {}, manifest: await large(block(0)) }, ROOT);
      const uuid = String(record.uuid);
      const texts = new Set<string>();
      for (const [i, next] of steps.entries()) {
        now += 1000;
        if (next === 'day') now += DAY * 1000;
        else if (next === 'month') now += 30 * DAY * 1000;
        else if (next === 'text')
          await collections.update(uuid, { attributes: {}, manifest: await large(block(i % 10)) }, BY_ROOT);
        else if (next === 'name')
          await collections.update(uuid, { attributes: { name: `${uuid} ${i}` }, manifest: null }, BY_ROOT);
        else if (next === 'replication')
          await collections.update(uuid, { attributes: { replication_desired: i }, manifest: null }, BY_ROOT);
        else {
          const [past] = await versionsOf(uuid);
          if (past === undefined) continue;
          const version = await collections.find(past.uuid, ROOT, { withText: true });
          const manifest = await collections.stage((await collections.read(version, ROOT)).text, null);
          await collections.update(uuid, { attributes: {}, manifest, restores: past.uuid }, BY_ROOT);
        }
        const row = await collections.find(uuid, ROOT);
        if (row.stored?.key) texts.add(row.stored.key);
        await sweep(uuid);
        for (const past of [uuid, ...(await versionsOf(uuid)).map((each) => each.uuid)]) {
          const found = await collections.find(past, ROOT, { withText: true });
          // It breaks off unless it has the hash that the record says.
          await new Response((await collections.read(found, ROOT)).text).arrayBuffer();
        }
      }
      // A year later only the current state is left.
      now += 400 * DAY * 1000;
      while ((await sweep(uuid)) !== null) now += DAY * 1000;
      expect(await versionsOf(uuid)).toEqual([]);
      const current = await collections.find(uuid, ROOT);
      const left = (await Promise.all([...texts].map((key) => manifests.head(key)))).flatMap((head) => head?.key ?? []);
      expect(left).toEqual([current.stored?.key]);
    }),
    { numRuns: 25 },
  );
});
