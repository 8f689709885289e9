import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Part } from '../../src/streams/part.ts';
import { zipArchive } from '../../src/streams/zip/archive.ts';
import { api, createUser } from '../support/api.ts';
import { createCollection, stored, type TestCollection } from '../support/collections.ts';
import { blockOf, md5, randomBlock, request, type TestBlock } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';
import { hasTool, tool } from '../support/tools.ts';
import { zipEntries } from '../support/zip-entries.ts';

let service: TestService;
let directory: string;
let collection: TestCollection;
let big: TestBlock[];
/** Path in the collection -> MD5 of its content. */
let expected: Record<string, string>;

beforeAll(async () => {
  service = await startService();
  directory = await mkdtemp(join(tmpdir(), 'keep-edge-zip-'));
  const small = blockOf('one two three');
  big = [randomBlock(8 << 20), randomBlock(8 << 20), randomBlock((4 << 20) + 1)];
  await stored(service, small, ...big);
  const [b0, b1, b2] = big as [TestBlock, TestBlock, TestBlock];
  const all = Buffer.concat(big.map(({ data }) => data));
  const size = all.length;
  const manifest =
    `. ${b0.locator} ${b1.locator} ${b2.locator} ${small.locator} 0:${size}:big.bin ${size}:3:a.txt 5:0:zero 100:9000000:middle.bin\n` +
    `./dir1/dir ${small.locator} 4:3:x\\040ä\\040☃.txt\n./dir1 ${small.locator} 8:5:y\n./empty d41d8cd98f00b204e9800998ecf8427e+0 0:0:\\056\n`;
  collection = await createCollection(service, manifest, { name: 'Sue "Q"', properties: { sample: 'S1' } });
  expected = {
    'a.txt': md5('one'),
    'big.bin': md5(all),
    'dir1/dir/x ä ☃.txt': md5('two'),
    'dir1/y': md5('three'),
    'middle.bin': md5(all.subarray(100, 9_000_100)),
    zero: md5(''),
  };
});
afterAll(async () => {
  await service?.stop();
  await rm(directory, { recursive: true, force: true });
});

const ZIP = '?accept=application/zip&disposition=attachment';
const zipOf = (path: string, options: Parameters<typeof request>[1] = {}) => request(service.url + path, options);

/** Names and MD5s of an archive's files as Python's zipfile reads them, checksums tested. */
async function readWithPython(
  file: string,
): Promise<{ files: Record<string, string>; comment: string; order: string[] }> {
  const script = `
import hashlib, json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps({"files": {i.filename: hashlib.md5(z.read(i)).hexdigest() for i in z.infolist()},
  "comment": z.comment.decode(), "order": z.namelist()}))`;
  return JSON.parse(await tool('python3', ['-c', script, file]));
}

describe('an archive of a whole collection', () => {
  test('is read by Python, unzip and bsdtar, and its length is announced', async () => {
    const answer = await zipOf(`/c=${collection.uuid}/${ZIP}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/zip');
    expect(answer.headers.get('content-length')).toBe(String(answer.body.length));
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="Sue \\"Q\\".zip"');
    const file = join(directory, 'all.zip');
    await writeFile(file, answer.body);
    const read = await readWithPython(file);
    expect(read.files).toEqual(expected);
    expect(read.order).toEqual(['a.txt', 'big.bin', 'dir1/dir/x ä ☃.txt', 'dir1/y', 'middle.bin', 'zero']);
    if (hasTool('unzip')) expect(await tool('unzip', ['-t', file])).toContain('No errors detected');
    if (hasTool('bsdtar')) {
      // By its directory, and as a stream that has no end to look at first.
      expect(await tool('bsdtar', ['-tf', file], { env: { LC_ALL: 'C.UTF-8' } })).toContain('dir1/dir/x ä ☃.txt');
      const streamed = await tool('sh', ['-c', 'cat "$1" | bsdtar -xOf - big.bin | md5sum', 'sh', file]);
      expect(streamed).toContain(expected['big.bin']);
    }
  });

  test('is asked for by Accept alone, too, at every kind of address', async () => {
    const accept = { accept: 'application/zip;q=0.9' };
    for (const path of [
      `/c=${collection.uuid}`,
      `/by_id/${collection.uuid}`,
      `/c=${collection.uuid}/t=${ROOT_TOKEN}/`,
      `/c=${collection.portable_data_hash}/`,
    ]) {
      const answer = await zipOf(path, { headers: accept, method: 'HEAD' });
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 200, 'application/zip']);
    }
    const list = await zipOf(`/c=${collection.uuid}/`, { headers: { accept: 'application/zip, */*' } });
    expect(list.headers.get('content-type')).toBe('text/html; charset=utf-8');
  });

  test('has an ETag of its own content, and any range of it is that range of the whole', async () => {
    const path = `/c=${collection.uuid}/${ZIP}`;
    const whole = await zipOf(path);
    const again = await zipOf(path, { method: 'HEAD' });
    expect(again.headers.get('etag')).toBe(whole.headers.get('etag'));
    const size = whole.body.length;
    // Across headers, descriptors, blocks and the directory; of a service that has forgotten all checksums.
    await service.restart();
    for (const [from, to] of [
      [size - 200, size - 1],
      [0, 100],
      [20, 9_000_000],
      [20_971_000, 20_972_500],
      [size - 9_000_500, size - 1],
    ] as const) {
      const part = await zipOf(path, {
        headers: { range: `bytes=${from}-${to}`, 'if-range': whole.headers.get('etag') ?? '' },
      });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to}/${size}`]);
      expect(md5(part.body)).toBe(md5(whole.body.subarray(from, to + 1)));
    }
    expect((await zipOf(path, { headers: { 'if-none-match': whole.headers.get('etag') ?? '' } })).status).toBe(304);
  });

  test.runIf(hasTool('curl'))('goes on in the middle with curl -C -, and is whole', async () => {
    const url = `${service.url}/c=${collection.uuid}/${ZIP}`;
    const file = join(directory, 'resumed.zip');
    const args = ['-sf', '-H', `Authorization: Bearer ${ROOT_TOKEN}`, '-o', file, '-C', '-', url];
    const first = spawn('curl', ['--limit-rate', '8M', ...args]);
    await expect
      .poll(async () => (await stat(file).catch(() => ({ size: 0 }))).size, { interval: 20, timeout: 30_000 })
      .toBeGreaterThan(3 << 20);
    first.kill('SIGKILL');
    await once(first, 'close');
    expect((await stat(file)).size).toBeLessThan(29 << 20);
    await tool('curl', args);
    expect((await readWithPython(file)).files).toEqual(expected);
  });
});

describe('an archive of a part of a collection', () => {
  const names = async (answer: Awaited<ReturnType<typeof zipOf>>) => {
    const file = join(directory, 'part.zip');
    await writeFile(file, answer.body);
    return (await readWithPython(file)).order;
  };

  /** docs/protocol/files.md#archives */
  test.each<[string, string[], string, string[]]>([
    ['one file', ['dir1/y'], 'Sue "Q" - y.zip', ['dir1/y']],
    ['a directory', ['dir1'], 'Sue "Q" - 2 files.zip', ['dir1/dir/x ä ☃.txt', 'dir1/y']],
    ['a directory with a slash', ['dir1/'], 'Sue "Q" - 2 files.zip', ['dir1/dir/x ä ☃.txt', 'dir1/y']],
    [
      'what overlaps, once',
      ['dir1/y', 'dir1', 'a.txt'],
      'Sue "Q" - 3 files.zip',
      ['a.txt', 'dir1/dir/x ä ☃.txt', 'dir1/y'],
    ],
  ])('has %s, by query, form and JSON', async (_, files, name, order) => {
    const query = new URLSearchParams(files.map((file) => ['files', file]));
    const byQuery = await zipOf(`/c=${collection.uuid}/${ZIP}&${query}`);
    const byForm = await zipOf(`/c=${collection.uuid}/${ZIP}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: query.toString(),
    });
    const byJson = await zipOf(`/c=${collection.uuid}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/zip' },
      body: JSON.stringify({ files }),
    });
    for (const answer of [byQuery, byForm, byJson]) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${name.replaceAll('"', '\\"')}"`);
      expect(await names(answer)).toEqual(order);
      expect(md5(answer.body)).toBe(md5(byQuery.body));
    }
  });

  test('has all of a directory that is asked for by its address', async () => {
    const answer = await zipOf(`/c=${collection.uuid}/dir1/${ZIP}`);
    expect(answer.headers.get('content-disposition')).toContain('Sue \\"Q\\" - dir1.zip');
    expect(await names(answer)).toEqual(['dir1/dir/x ä ☃.txt', 'dir1/y']);
    const chosen = await zipOf(`/c=${collection.uuid}/dir1/${ZIP}&files=y`);
    expect(await names(chosen)).toEqual(['dir1/y']);
  });

  test('takes the name that it is given', async () => {
    for (const [given, name] of [
      ['Sue.zap', 'Sue.zap.zip'],
      ['x.ZIP', 'x.ZIP'],
    ] as const) {
      const answer = await zipOf(`/c=${collection.uuid}/${ZIP}&files=a.txt&download_filename=${given}`);
      expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${name}"`);
    }
  });

  test('says where it comes from, and describes its collection when asked', async () => {
    const answer = await zipOf(`/c=${collection.uuid}/${ZIP}&files=a.txt&include_collection_metadata=1`);
    expect(await names(answer)).toEqual(['collection.json', 'a.txt']);
    const file = join(directory, 'part.zip');
    const metadata = JSON.parse(await tool('unzip', ['-p', file, 'collection.json']));
    expect(metadata).toEqual({
      uuid: collection.uuid,
      portable_data_hash: collection.portable_data_hash,
      name: 'Sue "Q"',
      description: '',
      properties: { sample: 'S1' },
      created_at: expect.stringMatching(/^\d{4}-.*\.\d{9}Z$/),
      modified_at: expect.stringMatching(/^\d{4}-.*\.\d{9}Z$/),
    });
    const ada = await createUser(service, 'ada');
    const made = await api(service, 'collections', { token: ada.token, body: { collection: { name: 'hers' } } });
    const hers = await zipOf(`/c=${made.json.uuid}/${ZIP}&include_collection_metadata=1`, { token: ada.token });
    await writeFile(file, hers.body);
    expect(JSON.parse(await tool('unzip', ['-p', file, 'collection.json']))).toMatchObject({
      name: 'hers',
      modified_by_user: { uuid: ada.uuid, username: 'ada' },
    });
    const byContent = await zipOf(
      `/c=${collection.portable_data_hash}/${ZIP}&files=a.txt&include_collection_metadata=1`,
    );
    await writeFile(file, byContent.body);
    expect(JSON.parse(await tool('unzip', ['-p', file, 'collection.json']))).toEqual({
      portable_data_hash: collection.portable_data_hash,
    });
  });

  test.each([
    ['files=nothing', 404, '"nothing": file does not exist\n'],
    ['files=', 404, '"": file does not exist\n'],
    ['files=./a.txt', 404, '"./a.txt": file does not exist\n'],
    ['files=a.txt&files=/a.txt', 404, '"/a.txt": file does not exist\n'],
    ['files=dir1/../a.txt', 404, '"dir1/../a.txt": file does not exist\n'],
  ])('is refused for %s', async (query, status, text) => {
    const answer = await zipOf(`/c=${collection.uuid}/${ZIP}&${query}`);
    expect([answer.status, answer.text]).toEqual([status, text]);
  });

  test('is refused for a file, for a list of collections, for other methods, and for bad JSON', async () => {
    const accept = { accept: 'application/zip' };
    expect((await zipOf(`/c=${collection.uuid}/a.txt`, { headers: accept })).status).toBe(400);
    expect((await zipOf('/by_id/', { headers: accept })).status).toBe(400);
    expect((await zipOf(`/c=${collection.uuid}/`, { headers: accept, method: 'PROPFIND' })).status).toBe(400);
    const bad = { method: 'POST', headers: { ...accept, 'content-type': 'application/json' }, body: '{"files":["a' };
    expect((await zipOf(`/c=${collection.uuid}/`, bad)).status).toBe(400);
  });
});

describe('an archive that cannot be made whole', () => {
  test('breaks off in the middle: it never ends as a valid one', async () => {
    const [good, lost] = await stored(service, blockOf('good'), blockOf('lost block'));
    const made = await createCollection(service, `. ${good.locator} ${lost.locator} 0:4:a 4:10:b 0:2:c\n`);
    await service.r2('BLOCKS').delete(`${lost.hash.slice(0, 3)}/${lost.hash}`);
    await expect(zipOf(`/c=${made.uuid}/${ZIP}`)).rejects.toThrow();
    expect((await zipOf(`/c=${made.uuid}/${ZIP}&files=a`)).status).toBe(200);
  });

  test('of an empty collection is valid and empty', async () => {
    const made = await createCollection(service, '');
    const file = join(directory, 'nothing.zip');
    await writeFile(file, (await zipOf(`/c=${made.uuid}/${ZIP}`)).body);
    expect((await readWithPython(file)).order).toEqual([]);
  });
});

describe('an archive beyond 4 GiB', () => {
  test.runIf(hasTool('unzip'))('is understood by unzip and Python: sizes and places of 64 bits', async () => {
    const sizes = [5 * 2 ** 30, 3, 0];
    const data = [null, Buffer.from('abc'), Buffer.alloc(0)];
    const archive = zipArchive(zipEntries(sizes.map((size, i) => ({ name: `f${i}`, size }))), 'a comment', {
      slice: (entry, range) => [
        data[entry] ?? { length: range.length, open: () => Promise.reject(new Error('a hole')) },
      ],
      checksum: async (entry) => [0, 0x352441c2, 0][entry] ?? 0,
      checksums: async (first, end) => Uint32Array.of(0, 0x352441c2, 0).subarray(first, end),
    });
    const path = join(directory, 'large.zip');
    const file = await open(path, 'w');
    let at = 0;
    for (const part of archive.slice({ offset: 0, length: archive.length }) as Iterable<Part>) {
      const length = part instanceof Uint8Array ? part.byteLength : part.length;
      // The large file stays a hole of the disk.
      const bytes =
        part instanceof Uint8Array ? part : length < 1e6 ? await part.open(new AbortController().signal) : null;
      if (bytes instanceof Uint8Array) await file.write(bytes, 0, length, at);
      at += length;
    }
    await file.close();
    expect(at).toBe(archive.length);
    expect(await tool('unzip', ['-p', path, 'f1'])).toBe('abc');
    expect(await tool('unzip', ['-l', path])).toContain('5368709120');
    const script =
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print([i.file_size for i in z.infolist()], z.read("f1"), z.comment)';
    expect((await tool('python3', ['-c', script, path])).trim()).toBe("[5368709120, 3, 0] b'abc' b'a comment'");
  });
});
