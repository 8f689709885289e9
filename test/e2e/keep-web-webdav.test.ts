import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf, md5, randomBlock, request } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';

let service: TestService;
let collection: TestCollection;
let directory: string;
const large = randomBlock(3 << 20);
const small = blockOf('small file');
const ODD = `o'dd & <"na%20me"> ä☃.txt`;
/** wget decodes the names of its files once more. */
const WGET_ODD = ODD.replace('%20', ' ');

beforeAll(async () => {
  service = await startService();
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-dav-'));
  await stored(service, large, small);
  const escaped = ODD.replaceAll(' ', '\\040').replaceAll('\\"', '"');
  collection = await createCollection(
    service,
    `. ${large.locator} 0:${large.data.length}:large.bin 0:0:empty\n./a/b ${small.locator} 0:10:${escaped} 0:5:sma\n`,
    { name: 'Dav files' },
  );
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Found {
  href: string;
  isDirectory: boolean;
  size: number | undefined;
  name: string;
}

async function propfind(path: string, depth: string, body = ''): Promise<Found[]> {
  const answer = await request(service.url + path, { method: 'PROPFIND', headers: { depth }, body });
  expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
    path,
    207,
    'application/xml; charset=utf-8',
  ]);
  const parser = new XMLParser({
    isArray: (name) => name === 'D:response' || name === 'D:propstat',
    htmlEntities: true,
  });
  const responses = parser.parse(answer.text)['D:multistatus']['D:response'] as Record<string, never>[];
  return responses.map((response) => {
    const [found] = response['D:propstat'] as unknown as { 'D:prop': Record<string, unknown> }[];
    const prop = found?.['D:prop'] ?? {};
    return {
      href: response['D:href'] as unknown as string,
      isDirectory: JSON.stringify(prop['D:resourcetype'] ?? '').includes('D:collection'),
      size: prop['D:getcontentlength'] as number | undefined,
      name: String(prop['D:displayname']),
    };
  });
}

describe('WebDAV', () => {
  test('shows no token as the name of the directory that a sharing link leads to', async () => {
    const group = (await api(service, 'groups', { body: { group: { group_class: 'project', name: 'shared' } } })).json;
    for (const id of [collection.uuid, group.uuid]) {
      for (const path of [
        `/c=${id}/t=${ROOT_TOKEN}/`,
        `/collections/download/${id}/${ROOT_TOKEN}/`,
        `/c=${id}/t=${ROOT_TOKEN}/_/`,
      ])
        for (const depth of ['0', '1'])
          expect((await propfind(path, depth)).map(({ name }) => name)).not.toContainEqual(
            expect.stringContaining(ROOT_TOKEN),
          );
      expect((await propfind(`/c=${id}/t=${ROOT_TOKEN}/`, '0'))[0]?.name).toBe(`c=${id}`);
    }
  });

  test('says that collections have locks, that other views are read-only, and what it allows, to those who may look', async () => {
    for (const [path, dav, allow] of [
      [
        `c=${collection.uuid}`,
        '1, 2',
        'OPTIONS, GET, HEAD, POST, PROPFIND, PUT, DELETE, MKCOL, MOVE, COPY, LOCK, UNLOCK, PROPPATCH',
      ],
      [`c=${collection.portable_data_hash}`, '1', 'OPTIONS, GET, HEAD, POST, PROPFIND'],
      [`by_id/${collection.uuid}`, '1', 'OPTIONS, GET, HEAD, POST, PROPFIND'],
    ]) {
      const answer = await request(`${service.url}/${path}/`, { method: 'OPTIONS' });
      expect([path, answer.status, answer.text]).toEqual([path, 200, '']);
      expect(['dav', 'ms-author-via', 'allow'].map((name) => answer.headers.get(name))).toEqual([dav, 'DAV', allow]);
    }
    const stranger = await request(`${service.url}/c=${collection.uuid}/`, { method: 'OPTIONS', token: null });
    expect([stranger.status, stranger.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="collections"']);
  });

  test('lists one, one level, or all levels', async () => {
    const root = `/c=${collection.uuid}/`;
    expect((await propfind(root, '0')).map(({ href }) => href)).toEqual([root]);
    expect(await propfind(root, '1')).toEqual([
      { href: root, isDirectory: true, size: undefined, name: `c=${collection.uuid}` },
      { href: `${root}a/`, isDirectory: true, size: undefined, name: 'a' },
      { href: `${root}empty`, isDirectory: false, size: 0, name: 'empty' },
      { href: `${root}large.bin`, isDirectory: false, size: 3 << 20, name: 'large.bin' },
    ]);
    const all = await propfind(root, 'infinity');
    expect(all.map(({ href }) => decodeURIComponent(href.slice(root.length)))).toEqual([
      '',
      'a/',
      'a/b/',
      `a/b/${ODD}`,
      'a/b/sma',
      'empty',
      'large.bin',
    ]);
    for (const { href, isDirectory, size } of all.filter((found) => !found.isDirectory)) {
      const head = await request(service.url + href, { method: 'HEAD' });
      expect([href, head.status, head.headers.get('content-length'), isDirectory]).toEqual([
        href,
        200,
        String(size),
        false,
      ]);
    }
    expect((await propfind(`${root}large.bin`, '1')).length).toBe(1);
  });

  test('gives the ETag and type that GET gives, and 404 for what there is not', async () => {
    const body = '<propfind xmlns="DAV:"><prop><getetag/><getcontenttype/><displayname2/></prop></propfind>';
    const answer = await request(`${service.url}/c=${collection.uuid}/large.bin`, {
      method: 'PROPFIND',
      headers: { depth: '0' },
      body,
    });
    const file = await request(`${service.url}/c=${collection.uuid}/large.bin`, { method: 'HEAD' });
    expect(answer.text).toContain(`<D:getetag>${file.headers.get('etag')?.replaceAll('"', '&#34;')}</D:getetag>`);
    expect(answer.text).toContain(`<D:getcontenttype>${file.headers.get('content-type')}</D:getcontenttype>`);
    expect(answer.text).toMatch(/<D:displayname2\/><\/D:prop><D:status>HTTP\/1.1 404/);
  });

  test('leads to names that would mean something else right behind a root, and only there', async () => {
    const manifest = `. ${small.locator} 0:5:t=x\n./_ ${small.locator} 0:10:below\n./a ${small.locator} 0:5:t=x\n`;
    const { uuid: owner } = await createUser(service, 'bea');
    const made = async (type: string, record: object) => (await api(service, type, { body: record })).json;
    const project = await made('groups', { group: { name: 'Odd', group_class: 'project', owner_uuid: owner } });
    const nested = { manifest_text: manifest, name: 't=y', owner_uuid: project.uuid };
    const { uuid } = await made('collections', { collection: nested });
    await made('groups', { group: { name: '_', group_class: 'project', owner_uuid: project.uuid } });
    const below = (root: string) => [`${root}_/`, `${root}a/`, `${root}t=x`].sort();
    const inRoot = ['/_/_/', '/_/t=x', '/a/'].map((path) => `/c=${uuid}${path}`);
    const hrefs = async (path: string) => {
      const [self, ...entries] = await propfind(path, '1');
      expect(self?.href).toBe(path);
      return entries.map(({ href }) => href).sort();
    };
    expect(await hrefs(`/c=${uuid}/`)).toEqual(inRoot);
    expect(await hrefs(`/c=${uuid}/a/`)).toEqual([`/c=${uuid}/a/t=x`]);
    for (const root of [`/c=${uuid}/_/`, `/by_id/${uuid}/`, `/c=${project.uuid}/_/t=y/`, `/users/bea/Odd/t=y/`]) {
      expect(await hrefs(root)).toEqual(below(root));
    }
    expect(await hrefs(`/c=${project.uuid}/`)).toEqual(['/_/_/', '/_/t=y/'].map((path) => `/c=${project.uuid}${path}`));
    for (const root of [`/c=${uuid}/`, `/c=${project.uuid}/_/t=y/`, `/by_id/${uuid}/`]) {
      const found = (await propfind(root, 'infinity')).filter(({ isDirectory }) => !isDirectory);
      expect(found.length).toBe(3);
      for (const { href, name } of found) {
        expect((await request(service.url + href)).text).toBe(name === 'below' ? 'small file' : 'small');
      }
      const page = await request(service.url + root, { headers: { accept: 'application/json' } });
      const { entries } = JSON.parse(page.text) as { entries: { href: string }[] };
      for (const { href } of entries) {
        const { href: url } = new URL(href, service.url + root);
        expect([url, (await request(url)).status]).toEqual([url, 200]);
      }
    }
  });

  test('refuses what it cannot read, and trees without a bound', async () => {
    const ask = (path: string, depth: string, body = '') =>
      request(service.url + path, { method: 'PROPFIND', headers: { depth }, body });
    expect((await ask(`/c=${collection.uuid}/`, '2')).status).toBe(400);
    expect((await ask(`/c=${collection.uuid}/`, '1', '<rubbish')).status).toBe(400);
    expect((await ask(`/c=${collection.uuid}/`, '1', `<!--${' '.repeat(70_000)}-->`)).status).toBe(413);
    expect((await ask(`/c=${collection.uuid}/nothing`, '0')).status).toBe(404);
    const unbounded = await ask('/users/', 'infinity');
    expect([unbounded.status, unbounded.text]).toEqual([403, expect.stringContaining('<D:propfind-finite-depth/>')]);
  });

  test('shows homes, projects and collections below /users and /by_id as the token may see them', async () => {
    const { uuid: me } = await createUser(service, 'ada');
    const project = (
      await api(service, 'groups', { body: { group: { name: 'Plans', group_class: 'project', owner_uuid: me } } })
    ).json;
    const made = await createCollection(service, `. ${small.locator} 0:10:note.txt\n`, {
      name: 'Notes',
      owner_uuid: project.uuid,
    });
    expect((await propfind('/', '1')).map(({ href }) => href)).toEqual(['/', '/by_id/', '/users/']);
    expect((await propfind('/users', '1')).map(({ href }) => href)).toContain('/users/ada/');
    expect((await propfind('/users/ada/', '1')).map(({ href }) => href)).toEqual(['/users/ada/', '/users/ada/Plans/']);
    expect((await propfind('/users/ada/Plans/Notes/', '1')).map(({ href }) => href)).toEqual([
      '/users/ada/Plans/Notes/',
      '/users/ada/Plans/Notes/note.txt',
    ]);
    expect((await request(`${service.url}/users/ada/Plans/Notes/note.txt`)).text).toBe('small file');
    expect((await request(`${service.url}/c=${project.uuid}/Notes/note.txt`)).text).toBe('small file');
    expect((await propfind(`/by_id/${made.uuid}`, '0')).map(({ href }) => href)).toEqual([`/by_id/${made.uuid}/`]);
    expect((await request(`${service.url}/users/stranger/`)).status).toBe(404);
    expect((await request(`${service.url}/users/ada/`, { method: 'PUT', body: 'x' })).status).toBe(405);
  });
});

describe('a client of Debian', () => {
  test.runIf(hasTool('rclone'))('rclone lists, checks and copies a tree', async () => {
    const remote = `:webdav,url='${service.url}/c=${collection.portable_data_hash}/',bearer_token='${ROOT_TOKEN}':`;
    const config = ['--config', '/dev/null', '--log-level', 'ERROR'];
    const listed = JSON.parse(await tool('rclone', [...config, 'lsjson', '-R', '--files-only', remote])) as {
      Path: string;
      Size: number;
    }[];
    expect(listed.map(({ Path, Size }) => [Path, Size]).sort()).toEqual(
      [
        ['a/b/sma', 5],
        [`a/b/${ODD}`, 10],
        ['empty', 0],
        ['large.bin', 3 << 20],
      ].sort(),
    );
    const copy = join(directory, 'copy');
    await tool('rclone', [...config, 'copy', remote, copy]);
    expect(md5(await readFile(join(copy, 'large.bin')))).toBe(large.hash);
    expect(await readFile(join(copy, 'a/b', ODD), 'utf8')).toBe('small file');
    expect(await readdir(copy)).toEqual(['a', 'empty', 'large.bin']);
    await tool('rclone', [...config, 'check', '--download', remote, copy]);
    await expect(tool('rclone', [...config, '--retries', '1', 'touch', `${remote}new`])).rejects.toThrow();
  });

  test.runIf(hasTool('wget'))('wget mirrors a tree with the line that the page offers', async () => {
    const site = await createCollection(
      service,
      `. ${large.locator} ${small.locator} 0:${large.data.length}:large.bin 0:0:empty ${large.data.length + 6}:4:index.html\n` +
        `./a/b ${small.locator} 0:10:${ODD.replaceAll(' ', '\\040')} 0:5:sma\n`,
    );
    const page = await request(`${service.url}/c=${site.uuid}/`, { headers: { accept: 'text/html' } });
    const line = /<pre id="wget-example">([^<]*)</.exec(page.text)?.[1] ?? '';
    const command = line.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
    const copy = join(directory, 'mirror');
    await mkdir(copy);
    await tool('sh', ['-c', command], { cwd: copy, env: { ARVADOS_API_TOKEN: ROOT_TOKEN, LC_ALL: 'C.UTF-8' } });
    const found = await readdir(copy, { recursive: true });
    const files = ['a', 'a/b', 'a/b/sma', `a/b/${WGET_ODD}`, 'empty', 'index.html', 'large.bin'];
    expect(found.sort()).toEqual(files.sort());
    expect(await readFile(join(copy, 'index.html'), 'utf8')).toBe('file');
    expect(md5(await readFile(join(copy, 'large.bin')))).toBe(large.hash);
  });

  test.runIf(hasTool('cadaver'))('cadaver walks about and gets a file', async () => {
    const target = new URL(`${service.url}/c=${collection.uuid}/t=${ROOT_TOKEN}/`);
    const output = await tool('cadaver', [target.href], {
      cwd: directory,
      input: 'ls\ncd a/b\nls\ncd ..\ncd ..\nget large.bin got.bin\nget a/b/sma small\nquit\n',
      env: { LC_ALL: 'C.UTF-8', HOME: directory },
    });
    expect(output).toMatch(/large\.bin\s+3145728/);
    expect(output).toMatch(/Coll:\s+a\s+0/);
    expect(output).toMatch(/sma\s+5/);
    expect(md5(await readFile(join(directory, 'got.bin')))).toBe(large.hash);
  });
});
