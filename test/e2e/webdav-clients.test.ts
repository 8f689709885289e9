import { createHash, randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCollection } from '../support/collections.ts';
import { request } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { canMount, hasTool, tool } from '../support/tools.ts';

/** Programs that write by WebDAV, as people use them. */

let service: TestService;
let directory: string;
let tree: string;
let uuid: string;

beforeAll(async () => {
  service = await startService();
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-dav-clients-'));
  tree = join(directory, 'tree');
  await mkdir(join(tree, 'sub', 'deep er'), { recursive: true });
  await writeFile(join(tree, 'empty'), '');
  await writeFile(join(tree, 'small.txt'), 'small\n');
  await writeFile(join(tree, 'sub', 'large.bin'), randomBytes(3 << 20));
  await writeFile(join(tree, 'sub', 'deep er', 'ünï & <code>.txt'), 'odd name\n');
  for (let i = 0; i < 20; i++) await writeFile(join(tree, 'sub', `file-${i}`), `content ${i}`);
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

const collectionUrl = () => `${service.url}/c=${uuid}/`;

/** Files of a local directory: path and MD5. */
async function filesIn(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.fuse') && entry.name !== 'lost+found')
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(root.length + 1), md5(await readFile(path))] as const;
      }),
  );
  return Object.fromEntries(files.sort());
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** Files that the collection holds, as read over HTTP. */
async function filesStored(): Promise<Record<string, string>> {
  const walk = async (path: string): Promise<[string, string][]> => {
    const { text } = await request(`${collectionUrl()}${path}`, { headers: { accept: 'application/json' } });
    const { entries } = JSON.parse(text) as { entries: { name: string; kind: string }[] };
    const found = await Promise.all(
      entries.map(async ({ name, kind }): Promise<[string, string][]> => {
        const below = path + encodeURIComponent(name);
        if (kind === 'directory') return walk(`${below}/`);
        return [[decodeURIComponent(below), md5((await request(collectionUrl() + below)).body)]];
      }),
    );
    return found.flat();
  };
  return Object.fromEntries((await walk('')).sort());
}

async function fresh(): Promise<void> {
  ({ uuid } = await createCollection(service, ''));
}

const rclones = ['rclone', ...(process.env.RCLONE_NEWEST ? [process.env.RCLONE_NEWEST] : [])];
describe.each(rclones)('%s', (program) => {
  const rclone = async (args: string[]) =>
    tool(program, ['--config', '/dev/null', '--retries', '1', '--low-level-retries', '1', ...args], {
      env: {
        RCLONE_CONFIG_KEEP_TYPE: 'webdav',
        RCLONE_CONFIG_KEEP_URL: collectionUrl(),
        RCLONE_CONFIG_KEEP_VENDOR: 'other',
        RCLONE_CONFIG_KEEP_BEARER_TOKEN: ROOT_TOKEN,
      },
    });

  test.skipIf(!hasTool(program))(
    'copies a tree in, syncs changes, moves, copies within, checks and purges',
    async () => {
      await fresh();
      await rclone(['copy', tree, 'keep:']);
      expect(await filesStored()).toEqual(await filesIn(tree));
      await rclone(['check', tree, 'keep:', '--download']);
      const changed = join(directory, `changed-${program.replaceAll('/', '_')}`);
      await cp(tree, changed, { recursive: true });
      await rm(join(changed, 'small.txt'));
      await writeFile(join(changed, 'sub', 'file-1'), 'other content, and longer');
      await writeFile(join(changed, 'sub', 'new'), 'new');
      await rclone(['sync', '--size-only', changed, 'keep:']);
      expect(await filesStored()).toEqual(await filesIn(changed));
      await rclone(['moveto', 'keep:sub/file-1', 'keep:moved']);
      await rclone(['copyto', 'keep:moved', 'keep:copied']);
      await rclone(['moveto', 'keep:sub', 'keep:renamed']);
      const stored = await filesStored();
      expect([stored.moved === stored.copied, stored['renamed/file-2']]).toEqual([true, md5(Buffer.from('content 2'))]);
      await rclone(['purge', 'keep:renamed']);
      expect(Object.keys(await filesStored()).some((name) => name.startsWith('renamed'))).toBe(false);
      await tool(program, ['--config', '/dev/null', 'rcat', 'keep:from-a-pipe'], {
        input: 'piped',
        env: {
          RCLONE_CONFIG_KEEP_TYPE: 'webdav',
          RCLONE_CONFIG_KEEP_URL: collectionUrl(),
          RCLONE_CONFIG_KEEP_BEARER_TOKEN: ROOT_TOKEN,
        },
      });
      expect((await filesStored())['from-a-pipe']).toBe(md5(Buffer.from('piped')));
    },
  );
});

test.skipIf(!hasTool('cadaver'))('cadaver puts, copies, moves, locks, edits properties and deletes', async () => {
  await fresh();
  const home = join(directory, 'cadaver-home');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, '.netrc'), `machine 127.0.0.1 login any password ${ROOT_TOKEN}\n`, { mode: 0o600 });
  const script = [
    `put ${join(tree, 'small.txt')} a.txt`,
    'mkcol d',
    'copy a.txt d/b.txt',
    'move a.txt c.txt',
    'lock c.txt',
    `put ${join(tree, 'small.txt')} c.txt`,
    'discover c.txt',
    'unlock c.txt',
    'propset c.txt colour green',
    'propget c.txt colour',
    'mkcol gone',
    'rmcol gone',
    'delete d/b.txt',
    `put ${join(tree, 'small.txt')} d/b.txt`,
    'quit',
  ].join('\n');
  const output = await tool('cadaver', [collectionUrl()], { input: `${script}\n`, env: { HOME: home } });
  expect(output).not.toMatch(/failed|error/i);
  expect(output).toContain('green');
  const small = md5(Buffer.from('small\n'));
  expect(await filesStored()).toEqual({ 'c.txt': small, 'd/b.txt': small });
});

test.skipIf(!canMount('mount.davfs'))(
  'davfs2 mounts a collection: a tree is copied in, edited, renamed, and is there afterwards',
  async () => {
    await fresh();
    const at = join(directory, 'mounted');
    const config = join(directory, 'davfs2.conf');
    await mkdir(at);
    // The mount's process gives up root.
    const cache = join(directory, 'davfs-cache');
    await mkdir(cache);
    await chmod(cache, 0o777);
    await chmod(directory, 0o711);
    await writeFile(join(directory, 'secrets'), `${collectionUrl()} any ${ROOT_TOKEN}\n`, { mode: 0o600 });
    await writeFile(
      config,
      `secrets ${join(directory, 'secrets')}\ncache_dir ${cache}\ndelay_upload 0\nuse_locks 1\nask_auth 0\n`,
    );
    const expected = join(directory, 'expected');
    const change = async (root: string) => {
      await cp(tree, root, { recursive: true });
      await writeFile(join(root, 'small.txt'), 'edited in place\n', { flag: 'r+' });
      await rename(join(root, 'sub', 'deep er'), join(root, 'sub', 'renamed'));
      await rename(join(root, 'sub', 'file-3'), join(root, 'file-3-moved'));
      await rm(join(root, 'sub', 'file-4'));
    };
    await mkdir(expected);
    await change(expected);
    await tool('mount.davfs', ['-o', `conf=${config},uid=0,gid=0`, collectionUrl(), at]);
    try {
      await change(at);
      // By name: davfs2 1.6.1 cannot list any directory on Linux 6.18.
      for (const name of ['small.txt', 'file-3-moved', 'sub/renamed/ünï & <code>.txt'])
        expect(await readFile(join(at, name), 'utf8')).toBe(await readFile(join(expected, name), 'utf8'));
    } finally {
      await tool('umount', [at]);
    }
    expect(await filesStored()).toEqual(await filesIn(expected));
  },
);
