import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf, request } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

/** More than a page for people holds. */
const FILES = 1234;

let service: TestService;
let collection: TestCollection;
let directory: string;
const block = blockOf('0123456789');

beforeAll(async () => {
  service = await startService();
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-programs-'));
  await stored(service, block);
  const names = Array.from({ length: FILES }, (_, i) => `${i % 10}:1:chr${i}.bed`).join(' ');
  collection = await createCollection(
    service,
    `./many ${block.locator} ${names}\n./odd\\040dir+/b ${block.locator} 0:10:a+b\\040%41\\043?.txt 0:4:index.html\n`,
  );
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

const url = () => `${service.url}/c=${collection.uuid}/t=${ROOT_TOKEN}/`;
/** Every file by its path, as bytes that differ. */
const expected = () =>
  Object.fromEntries([
    ...Array.from({ length: FILES }, (_, i) => [`many/chr${i}.bed`, String(i % 10)]),
    ['odd dir+/b/a+b %41#?.txt', '0123456789'],
    ['odd dir+/b/index.html', '0123'],
  ]);

async function filesIn(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[path.slice(root.length + 1)] = await readFile(path, 'utf8');
  }
  return found;
}
const digest = (files: Record<string, string>) =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(files).sort()))
    .digest('hex');

describe('a directory of more entries than a page has', () => {
  test('is whole for a program, with plain names as its only links, and paged for a browser', async () => {
    const plain = await request(`${url()}many/`);
    const links = [...plain.text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href ?? '');
    expect(new Set(links)).toEqual(new Set(Array.from({ length: FILES }, (_, i) => `chr${i}.bed`)));
    const page = await request(`${url()}many/`, { headers: { accept: 'text/html,*/*;q=0.8' } });
    const shown = [...page.text.matchAll(/class="item" href="([^"]*)"/g)].map(([, href]) => href);
    expect(shown.slice(0, 12)).toEqual(Array.from({ length: 12 }, (_, i) => `chr${i}.bed`));
    expect([shown.length, page.text.includes('Page 1 of 2')]).toEqual([1000, true]);
    const json = await request(`${url()}many/`, { headers: { accept: 'application/json' } });
    expect(JSON.parse(json.text).entries.length).toBe(FILES);
  });

  test.runIf(hasTool('wget'))(
    'is mirrored whole by wget, whatever it is told about pages',
    async () => {
      const root = join(directory, 'wget');
      // The default name of listings replaces files of that name: what people are offered avoids that.
      const options = [
        '-q',
        '-r',
        '-np',
        '-nH',
        '--cut-dirs=2',
        '--default-page=.l',
        '--reject=.l,.l.tmp',
        '-e',
        'robots=off',
        '-P',
        root,
      ];
      await tool('wget', [...options, url()], { env: { LC_ALL: 'C.UTF-8' } });
      const files = await filesIn(root);
      // wget decodes the names of its files once more.
      const odd = Object.entries(expected()).map(([path, text]) => [path.replace('%41', 'A'), text]);
      expect(digest(files)).toBe(digest(Object.fromEntries(odd)));
    },
    120_000,
  );

  test.runIf(hasTool('rclone'))(
    'is copied whole by rclone over plain HTTP',
    async () => {
      const root = join(directory, 'rclone');
      const options = ['--config', '/dev/null', '--transfers', '16', '--checkers', '16', '--http-no-head'];
      await tool('rclone', [...options, 'copy', '--http-url', url(), ':http:', root]);
      expect(digest(await filesIn(root))).toBe(digest(expected()));
    },
    120_000,
  );

  test.runIf(hasTool('lftp'))(
    'is mirrored whole by lftp',
    async () => {
      const root = join(directory, 'lftp');
      await tool('lftp', ['-c', `set xfer:log no; open ${url()} && mirror --parallel=8 . ${root}`], {
        env: { HOME: directory, LC_ALL: 'C.UTF-8' },
      });
      expect(digest(await filesIn(root))).toBe(digest(expected()));
    },
    180_000,
  );
});

test('a user who was deactivated gets neither files nor listings that were opened before, at once', async () => {
  const user = await createUser(service, 'leaving');
  const mine = await createCollection(service, `. ${block.locator} 0:10:f\n`, { owner_uuid: user.uuid });
  const status = async (path: string, method = 'GET') =>
    (await request(`${service.url}${path}`, { token: user.token, method })).status;
  const paths = [`/c=${mine.uuid}/f`, `/c=${mine.uuid}/`, `/by_id/${mine.uuid}/`, '/users/leaving/', '/by_id/', '/'];
  for (const path of paths) expect([path, await status(path)]).toEqual([path, 200]);
  expect(await status(`/c=${mine.uuid}/`, 'PROPFIND')).toBe(207);
  await api(service, `users/${user.uuid}`, { method: 'PUT', body: { user: { is_active: false } } });
  for (const path of [...paths, `/c=${mine.uuid}/t=${user.token}/f`])
    expect([path, [401, 403, 404].includes(await status(path))]).toEqual([path, true]);
  expect([401, 403, 404]).toContain(await status(`/c=${mine.uuid}/`, 'PROPFIND'));
});
