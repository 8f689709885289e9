import { env } from 'cloudflare:workers';
import { afterEach, expect, test } from 'vitest';
import { nameFiles } from '../../../src/collections/name-files.ts';
import { id, seedRecords } from '../../support/many-records.ts';
import { database, emptyDatabase } from '../support/database.ts';

afterEach(async () => emptyDatabase(await database()));

test('collections from before there were file names get theirs from their texts, wherever these are', async () => {
  const db = await database();
  const { MANIFESTS } = env as unknown as { MANIFESTS: R2Bucket };
  await seedRecords(db, 3);
  const empty = 'd41d8cd98f00b204e9800998ecf8427e+0';
  const many = Array.from({ length: 2000 }, (_, i) => `0:0:file-${i}.txt`).join(' ');
  await MANIFESTS.put('manifests/large', `. ${empty} ${many}\n`);
  const set = (number: number, inline: string | null, key: string | null) =>
    db
      .prepare("UPDATE collections SET file_names = '', manifest_inline = ?, manifest_key = ? WHERE uuid = ?")
      .bind(inline, key, id('4zz18', number))
      .run();
  await set(1, `./sub ${empty} 0:0:Pangolin.txt 0:0:two.txt\n`, null);
  await set(2, null, 'manifests/large');
  await set(3, null, 'manifests/lost');
  await db.prepare('DELETE FROM search_pending').run();
  await nameFiles(db, MANIFESTS);
  const { results } = await db
    .prepare("SELECT file_names FROM collections WHERE uuid LIKE '%00_' ORDER BY uuid LIMIT 3")
    .all<{ file_names: string }>();
  const [small = '', large = '', lost] = results.map(({ file_names }) => file_names);
  expect(small).toBe('sub/Pangolin.txt\nsub/two.txt');
  expect(large).toMatch(/^file-0.txt\nfile-1.txt\n/);
  expect(large.length).toBeLessThanOrEqual(8192);
  expect(large.length).toBeGreaterThan(8000);
  expect(lost).toBe(' ');
  // The search index takes them in.
  const changed = await db.prepare('SELECT uuid FROM search_pending').all<{ uuid: string }>();
  expect(changed.results.map(({ uuid }) => uuid)).toContain(id('4zz18', 1));
  const rest = await db.prepare("SELECT 1 FROM collections WHERE file_names = '' AND file_count > 0 AND uuid < ?");
  expect(await rest.bind(id('4zz18', 9)).first()).toBeNull();
});
