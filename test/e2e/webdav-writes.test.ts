import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createToken, createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { md5, randomBlock, request } from '../support/keep.ts';
import { brokenUpload, openRaw } from '../support/raw-http.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** WebDAV's writing methods, request by request. litmus and real clients are in files of their own. */

let service: TestService;
let uuid: string;

beforeAll(async () => {
  service = await startService({ vars: { WEBDAV_LOG_EVENTS: 'true' } });
});
afterAll(() => service.stop());

type Headers = Record<string, string>;

async function dav(
  method: string,
  path: string,
  options: { headers?: Headers; body?: string | Uint8Array; token?: string | null; at?: string } = {},
) {
  const { at = uuid, ...rest } = options;
  return request(`${service.url}/c=${at}/${path}`, { method, ...rest });
}
const put = (path: string, body: string | Uint8Array, headers: Headers = {}) => dav('PUT', path, { body, headers });
const status = async (answer: Promise<{ status: number }>) => (await answer).status;
const fresh = async (manifest = '', attributes = {}) => {
  ({ uuid } = await createCollection(service, manifest, attributes));
};
const destination = (path: string) => ({ destination: `${service.url}/c=${uuid}/${path}` });
const read = (path: string) => dav('GET', path);
const filesOf = async (): Promise<number> => (await api(service, `collections/${uuid}`)).json.file_count;

describe('PUT', () => {
  test('of a new file is 201, of an existing one 204, with the ETag of the later GET, and is read at once', async () => {
    await fresh();
    for (const [body, expected] of [
      ['first', 201],
      ['second', 204],
      ['', 204],
    ] as const) {
      const answer = await put('file.txt', body);
      expect(answer.status).toBe(expected);
      const found = await read('file.txt');
      expect([found.status, found.text, found.headers.get('etag')]).toEqual([200, body, answer.headers.get('etag')]);
    }
  });

  test('of several blocks becomes one file of them', async () => {
    await fresh();
    const { data } = randomBlock((64 << 20) + 12_345);
    const answer = await put('large.bin', data);
    expect(answer.status).toBe(201);
    const found = await read('large.bin');
    expect([md5(found.body), found.headers.get('etag')]).toEqual([md5(data), answer.headers.get('etag')]);
    const { json } = await api(service, `collections/${uuid}`);
    expect(json.manifest_text).toMatch(
      /^\. [0-9a-f]{32}\+67108864\+A\S+ [0-9a-f]{32}\+12345\+A\S+ 0:67121209:large.bin\n$/,
    );
    await expect.poll(() => service.r2('BLOCKS').list('unnamed/')).toEqual([]);
  });

  test.each([3, 300_000, 9 << 20])('of %d bytes without a length, as from a pipe', async (size) => {
    await fresh();
    const { data } = randomBlock(size);
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < data.length; at += 50_000) controller.enqueue(data.subarray(at, at + 50_000));
        controller.close();
      },
    });
    const answer = await fetch(`${service.url}/c=${uuid}/piped`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${ROOT_TOKEN}` },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(201);
    expect(md5((await read('piped')).body)).toBe(md5(data));
    await expect.poll(() => service.r2('BLOCKS').list('unnamed/')).toEqual([]);
  });

  test('with the right Content-MD5 or OC-Checksum is stored, with a wrong one it is not', async () => {
    await fresh();
    const { data } = randomBlock(400_000);
    const base64 = Buffer.from(md5(data), 'hex').toString('base64');
    expect(await status(put('a', data, { 'content-md5': base64 }))).toBe(201);
    expect(await status(put('b', data, { 'oc-checksum': `MD5:${md5(data)}` }))).toBe(201);
    expect(await status(put('c', data, { 'content-md5': Buffer.alloc(16).toString('base64') }))).toBe(400);
    expect(await status(put('c', data, { 'content-md5': 'nonsense' }))).toBe(400);
    expect(await status(read('c'))).toBe(404);
  });

  test('says no to what it cannot do, and changes nothing then', async () => {
    await fresh();
    await put('file', 'kept');
    await dav('MKCOL', 'dir');
    expect(await status(put('missing/file', 'x'))).toBe(409);
    expect(await status(put('file/below', 'x'))).toBe(409);
    expect(await status(put('new/', 'x'))).toBe(409);
    expect(await status(put('dir', 'x'))).toBe(405);
    expect(await status(put('', 'x'))).toBe(405);
    expect(await status(put('file', 'x', { 'content-range': 'bytes 0-0/4' }))).toBe(400);
    expect(await status(put('file', 'x', { 'if-none-match': '*' }))).toBe(412);
    expect(await status(put('file', 'x', { 'if-match': '"other"' }))).toBe(412);
    expect(await status(put('absent', 'x', { 'if-match': '*' }))).toBe(412);
    expect(await status(put('file', 'x', { if: 'garbage' }))).toBe(400);
    expect((await read('file')).text).toBe('kept');
    expect(await filesOf()).toBe(1);
  });

  test('with the ETag that PUT, GET and PROPFIND gave replaces the file', async () => {
    await fresh();
    const { headers } = await put('f', 'one');
    expect(await status(put('f', 'two', { 'if-match': headers.get('etag') ?? '' }))).toBe(204);
    expect(await status(put('f', 'three', { 'if-match': headers.get('etag') ?? '' }))).toBe(412);
    const found = await read('f');
    expect(await status(put('f', 'three', { 'if-none-match': found.headers.get('etag') ?? '' }))).toBe(412);
    expect(await status(put('f', 'three', { if: `([${found.headers.get('etag')}])` }))).toBe(204);
    expect(await status(put('f', 'four', { if: `([${found.headers.get('etag')}])` }))).toBe(412);
    expect((await read('f')).text).toBe('three');
  });

  test('that breaks off leaves the old file and nothing set aside', async () => {
    await fresh();
    await put('f', 'old');
    const path = `/c=${uuid}/f`;
    const authorization = `Bearer ${ROOT_TOKEN}`;
    const sent = new Uint8Array(6 << 20);
    await brokenUpload(service.url, { method: 'PUT', path, headers: { authorization }, contentLength: 8 << 20, sent });
    const socket = await openRaw(service.url, {
      method: 'PUT',
      path,
      headers: { authorization, 'transfer-encoding': 'chunked' },
    });
    const chunk = Buffer.concat([Buffer.from('500000\r\n'), sent.subarray(0, 0x500000), Buffer.from('\r\n')]);
    await new Promise((done) => socket.on('error', done).write(chunk, done));
    await setTimeout(500);
    socket.resetAndDestroy();
    await setTimeout(500);
    expect((await read('f')).text).toBe('old');
    for (let left = 1; left > 0; left = (await service.r2('BLOCKS').list('unnamed/')).length) await setTimeout(100);
  });

  test('of 64 files at once all survive, in few revisions', async () => {
    await fresh();
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => put(`file-${i}`, `content ${i}`)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
    expect(await filesOf()).toBe(64);
    // What waits together is one revision.
    expect(Number((await api(service, `collections/${uuid}`)).json.etag)).toBeLessThan(40);
    expect((await read('file-63')).text).toBe('content 63');
  });

  test('of a form’s content type stores the body as it is', async () => {
    await fresh();
    await put('form', 'a=b&c=d', { 'content-type': 'application/x-www-form-urlencoded' });
    await put('json', '{"a":1}', { 'content-type': 'application/json' });
    expect([(await read('form')).text, (await read('json')).text]).toEqual(['a=b&c=d', '{"a":1}']);
  });
});

describe('directories', () => {
  test('MKCOL makes one, once, and only where its parent is', async () => {
    await fresh();
    await put('file', 'x');
    expect(await status(dav('MKCOL', 'd/'))).toBe(201);
    expect(await status(dav('MKCOL', 'd'))).toBe(405);
    expect(await status(dav('MKCOL', ''))).toBe(405);
    expect(await status(dav('MKCOL', 'file'))).toBe(405);
    expect(await status(dav('MKCOL', 'a/b'))).toBe(409);
    expect(await status(dav('MKCOL', 'e', { body: '<x/>' }))).toBe(415);
    expect(await status(dav('PROPFIND', 'd/', { headers: { depth: '0' } }))).toBe(207);
  });

  test('DELETE removes files, and directories with what is in them', async () => {
    await fresh();
    await dav('MKCOL', 'd');
    await put('d/f', 'x');
    await put('g', 'x');
    expect(await status(dav('DELETE', 'd/', { headers: { depth: '0' } }))).toBe(400);
    expect(await status(dav('DELETE', 'g/'))).toBe(404);
    expect(await status(dav('DELETE', 'g'))).toBe(204);
    expect(await status(dav('DELETE', 'g'))).toBe(404);
    expect(await status(dav('DELETE', 'd'))).toBe(204);
    expect(await status(dav('DELETE', ''))).toBe(405);
    expect(await filesOf()).toBe(0);
  });

  test('the directory that loses its last file stays', async () => {
    await fresh();
    await dav('MKCOL', 'd');
    await put('d/f', 'x');
    await dav('DELETE', 'd/f');
    expect(await status(dav('PROPFIND', 'd/', { headers: { depth: '0' } }))).toBe(207);
    expect(await status(put('d/g', 'x'))).toBe(201);
  });
});

describe('COPY and MOVE', () => {
  test('have the statuses of RFC 4918', async () => {
    await fresh();
    await put('a', 'a');
    await put('b', 'b');
    await dav('MKCOL', 'd');
    await put('d/x', 'x');
    const to = (method: string, from: string, path: string, headers: Headers = {}) =>
      status(dav(method, from, { headers: { ...destination(path), ...headers } }));
    expect(await to('COPY', 'a', 'c')).toBe(201);
    expect(await to('COPY', 'a', 'b', { overwrite: 'F' })).toBe(412);
    expect(await to('COPY', 'a', 'b', { overwrite: 'T' })).toBe(204);
    expect(await to('COPY', 'a', 'a')).toBe(403);
    expect(await to('COPY', 'd/', 'd/e/')).toBe(403);
    expect(await to('COPY', 'd/x', 'd')).toBe(403);
    expect(await to('COPY', 'absent', 'z')).toBe(404);
    expect(await to('COPY', 'a', 'absent/z')).toBe(409);
    expect(await to('COPY', 'd/', 'f/', { depth: '1' })).toBe(400);
    expect(await to('COPY', 'd/', 'empty/', { depth: '0' })).toBe(201);
    expect(await status(read('empty/x'))).toBe(404);
    expect(await to('MOVE', 'absent', 'z')).toBe(404);
    expect(await to('MOVE', 'd/', 'd/e/')).toBe(403);
    expect(await to('MOVE', 'a', 'absent/z')).toBe(409);
    expect(await to('MOVE', 'a', 'c', { overwrite: 'F' })).toBe(412);
    expect(await to('MOVE', 'd/', 'moved/')).toBe(201);
    expect(await to('MOVE', 'a', 'c')).toBe(204);
    expect(await status(read('a'))).toBe(404);
    expect([(await read('c')).text, (await read('moved/x')).text, (await read('b')).text]).toEqual(['a', 'x', 'a']);
    expect(await to('COPY', 'c', 'moved')).toBe(204);
    expect((await read('moved')).text).toBe('a');
  });

  test('refuse destinations elsewhere, except copies into another collection that the token may change', async () => {
    await fresh();
    await put('a', 'content');
    const send = (header: string | null, method = 'COPY') =>
      status(dav(method, 'a', { headers: header === null ? {} : { destination: header } }));
    expect(await send(null)).toBe(400);
    expect(await send('relative')).toBe(400);
    expect(await send(`${service.url}/c=${uuid}/%zz`)).toBe(400);
    expect(await send(`${service.url}/by_id/${uuid}/x`)).toBe(400);
    expect(await send('http://example.com/c=x/a')).toBe(502);
    expect(await send(`/c=${uuid}/absolute-path`)).toBe(201);
    const other = await createCollection(service, '');
    expect(await send(`${service.url}/c=${other.uuid}/copied`)).toBe(201);
    expect((await dav('GET', 'copied', { at: other.uuid })).text).toBe('content');
    expect(await send(`${service.url}/c=${other.uuid}/moved`, 'MOVE')).toBe(502);
  });
});

const SET =
  '<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><a xmlns="urn:z">1</a></D:prop></D:set></D:propertyupdate>';
const LOCKINFO =
  '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>me &amp; you</D:href></D:owner></D:lockinfo>';

describe('locks', () => {
  const lockAt = async (path: string, headers: Headers = {}, token = ROOT_TOKEN) => {
    const answer = await dav('LOCK', path, { body: LOCKINFO, headers, token });
    return { ...answer, token: /<(.*)>/.exec(answer.headers.get('lock-token') ?? '')?.[1] ?? '' };
  };

  test('bind every writer until they are given back: WebDAV, the API and other tokens', async () => {
    await fresh();
    await put('f', 'old');
    const { status: taken, token, text } = await lockAt('f', { timeout: 'Infinite, Second-4100000000' });
    expect(taken).toBe(200);
    expect(text).toContain('<href xmlns="DAV:">me &#38; you</href>');
    expect(text).toContain('<D:timeout>Second-3600</D:timeout>');
    expect(text).toContain(`<D:lockroot><D:href>/c=${uuid}/f</D:href></D:lockroot>`);
    expect(await status(put('f', 'foreign'))).toBe(423);
    expect(await status(dav('DELETE', 'f'))).toBe(423);
    expect(await status(dav('MOVE', 'f', { headers: destination('g') }))).toBe(423);
    const replaced = await api(service, `collections/${uuid}`, {
      method: 'PATCH',
      body: { replace_files: { '/f': '' } },
    });
    expect(replaced.status).toBe(423);
    const whole = await api(service, `collections/${uuid}`, {
      method: 'PATCH',
      body: { collection: { manifest_text: '' } },
    });
    expect(whole.status).toBe(423);
    expect(await status(api(service, `collections/${uuid}`, { method: 'DELETE' }))).toBe(423);
    expect(await status(put('other', 'is free'))).toBe(201);
    expect(await status(put('f', 'mine', { if: `(<${token}>)` }))).toBe(204);
    expect(await status(lockAt('f'))).toBe(423);
    expect(await status(dav('UNLOCK', 'f', { headers: { 'lock-token': '<opaquelocktoken:other>' } }))).toBe(409);
    expect(await status(dav('UNLOCK', 'f', { headers: { 'lock-token': 'garbage' } }))).toBe(400);
    expect(await status(dav('UNLOCK', 'f', { headers: { 'lock-token': `<${token}>` } }))).toBe(204);
    expect(await status(put('f', 'free'))).toBe(204);
  });

  test('of a name that is not there make an empty file, below a missing directory nothing', async () => {
    await fresh();
    expect(await status(lockAt('new'))).toBe(201);
    expect([(await read('new')).status, (await read('new')).text]).toEqual([200, '']);
    expect(await status(lockAt('absent/new'))).toBe(409);
  });

  test('end with their time, with what they lock, and survive the object that keeps them', async () => {
    await fresh();
    await put('f', 'x');
    await lockAt('f', { timeout: 'Second-4' });
    expect(await status(put('f', 'y'))).toBe(423);
    await setTimeout(4200);
    expect(await status(put('f', 'y'))).toBe(204);
    const { token } = await lockAt('f');
    await service.restart();
    expect(await status(put('f', 'z'))).toBe(423);
    expect(await status(dav('DELETE', 'f', { headers: { if: `(<${token}>)` } }))).toBe(204);
    expect(await status(put('f', 'z'))).toBe(201);
  });

  test('are shown to all, but another user cannot use the token: only who may manage the collection ends it', async () => {
    const owner = await createUser(service, `locker-${Date.now() % 100_000}`);
    await fresh('', { owner_uuid: owner.uuid });
    const { token } = await lockAt('f', {}, owner.token);
    const shown = await dav('PROPFIND', 'f', {
      headers: { depth: '0' },
      body: '<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>',
    });
    expect(shown.text).toContain(token);
    // Root is another user, who may manage everything.
    expect(await status(put('f', 'x', { if: `(<${token}>)` }))).toBe(423);
    expect(await status(dav('UNLOCK', 'f', { headers: { 'lock-token': `<${token}>` } }))).toBe(204);
    expect(await status(put('f', 'x'))).toBe(204);
    const member = async (name: string) => {
      const user = await createUser(service, `${name.replace('_', '-')}-${Date.now() % 100_000}`);
      const link = { link_class: 'permission', name, tail_uuid: user.uuid, head_uuid: uuid };
      expect((await api(service, 'links', { token: owner.token, body: { link } })).status).toBe(200);
      return user.token;
    };
    const again = await lockAt('f', {}, owner.token);
    const headers = { 'lock-token': `<${again.token}>` };
    const [writing, managing] = [await member('can_write'), await member('can_manage')];
    expect(await status(dav('UNLOCK', 'f', { headers, token: writing }))).toBe(403);
    expect(await status(dav('PUT', 'f', { body: 'x', token: managing }))).toBe(423);
    expect(await status(dav('UNLOCK', 'f', { headers, token: managing }))).toBe(204);
    expect(await status(dav('PUT', 'f', { body: 'x', token: managing }))).toBe(204);
  });

  test('of a directory bind all below it', async () => {
    await fresh();
    await dav('MKCOL', 'd');
    const { token } = await lockAt('d/');
    expect(await status(put('d/f', 'x'))).toBe(423);
    expect(await status(dav('DELETE', 'd'))).toBe(423);
    expect(await status(put('d/f', 'x', { if: `</c=${uuid}/d/> (<${token}>)` }))).toBe(201);
    expect(await status(put('d/f', 'x', { if: `<${service.url}/c=${uuid}/d/> (<${token}>)` }))).toBe(204);
  });
});

describe('properties', () => {
  const patch = (path: string, inner: string) =>
    dav('PROPPATCH', path, { body: `<D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:z">${inner}</D:propertyupdate>` });
  const find = async (path: string, names: string) =>
    (
      await dav('PROPFIND', path, {
        headers: { depth: '0' },
        body: `<D:propfind xmlns:D="DAV:" xmlns:Z="urn:z"><D:prop>${names}</D:prop></D:propfind>`,
      })
    ).text;

  test('that clients set are kept, follow copies and moves, and leave the content hash alone', async () => {
    await fresh();
    await put('f', 'x');
    const before = (await api(service, `collections/${uuid}`)).json.portable_data_hash;
    const answer = await patch('f', '<D:set><D:prop><Z:a>1 &lt; 2</Z:a><Z:b><Z:c/></Z:b></D:prop></D:set>');
    expect([answer.status, answer.text.includes('200 OK')]).toEqual([207, true]);
    expect(await find('f', '<Z:a/>')).toContain('<X:a xmlns:X="urn:z">1 &#60; 2</X:a>');
    expect((await api(service, `collections/${uuid}`)).json.portable_data_hash).toBe(before);
    await dav('COPY', 'f', { headers: destination('g') });
    await dav('MOVE', 'f', { headers: destination('h') });
    for (const name of ['g', 'h']) expect(await find(name, '<Z:b/>')).toContain('<c xmlns="urn:z"/>');
    await patch('g', '<D:remove><D:prop><Z:a/></D:prop></D:remove>');
    expect(await find('g', '<Z:a/>')).toContain('404');
    await dav('DELETE', 'g');
    await put('g', 'again');
    expect(await find('g', '<Z:b/>')).toContain('404');
  });

  test('of WebDAV itself are protected, those of Windows accepted and not kept, and too large ones refused', async () => {
    await fresh();
    await put('f', 'x');
    const mixed = await patch('f', '<D:set><D:prop><D:getetag>"x"</D:getetag><Z:a>1</Z:a></D:prop></D:set>');
    expect(mixed.text).toMatch(/403 Forbidden.*cannot-modify-protected-property.*424 Failed Dependency/s);
    const windows =
      '<D:set><D:prop><W:Win32FileAttributes xmlns:W="urn:schemas-microsoft-com:">00000020</W:Win32FileAttributes></D:prop></D:set>';
    expect((await patch('f', windows)).text).toContain('200 OK');
    const large = await patch('f', `<D:set><D:prop><Z:a>${'x'.repeat(5000)}</Z:a></D:prop></D:set>`);
    expect(large.text).toContain('507 Insufficient Storage');
    expect(await status(patch('absent', windows))).toBe(404);
    expect(await status(patch('f', ''))).toBe(400);
    expect(await status(dav('PROPPATCH', 'f', { body: '<!DOCTYPE x><x/>' }))).toBe(400);
  });
});

describe('what may be written, and by whom', () => {
  let owner: TestUser;
  let other: TestUser;
  beforeAll(async () => {
    [owner, other] = [await createUser(service, 'dav-owner'), await createUser(service, 'dav-other')];
  });

  const METHODS: [string, Headers][] = [
    ['PUT', {}],
    ['MKCOL', {}],
    ['DELETE', {}],
    ['COPY', { destination: '/c=UUID/to' }],
    ['MOVE', { destination: '/c=UUID/to' }],
    ['LOCK', {}],
    ['UNLOCK', { 'lock-token': '<opaquelocktoken:x>' }],
    ['PROPPATCH', {}],
  ];

  test('read-only views refuse every method before any token is looked at', async () => {
    const { uuid: made, portable_data_hash: pdh } = await createCollection(service, '');
    for (const [method] of METHODS)
      for (const path of [`by_id/${made}/f`, `users/x/y/f`, `c=${pdh}/f`, `collections/${made}/f`]) {
        const answer = await request(`${service.url}/${path}`, { method, token: 'nonsense' });
        expect([method, path, answer.status, answer.text]).toEqual([method, path, 405, 'read-only filesystem\n']);
      }
  });

  test('no token, a bad one, another user, a token for reading and a cookie change nothing', async () => {
    await fresh('', { owner_uuid: owner.uuid });
    await dav('PUT', 'f', { body: 'kept', token: owner.token });
    const reading = await createToken(service, owner.uuid, { scopes: ['GET /'] });
    const blocksBefore = (await service.r2('BLOCKS').list()).length;
    const cookie = { cookie: `arvados_api_token=${Buffer.from(owner.token).toString('base64url')}` };
    for (const [method, headers] of METHODS) {
      const wanted = Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [name, text.replace('UUID', uuid)]),
      );
      const bodies: Record<string, string> = { PUT: 'foreign content', LOCK: LOCKINFO, PROPPATCH: SET };
      const body = bodies[method] === undefined ? {} : { body: bodies[method] };
      const as = (token: string | null, extra: Headers = {}) =>
        status(dav(method, 'f', { headers: { ...wanted, ...extra }, token, ...body }));
      expect([method, await as(null)]).toEqual([method, 401]);
      expect([method, await as('nonsense')]).toEqual([method, 401]);
      expect([method, await as(null, cookie)]).toEqual([method, 401]);
      expect([method, await as(reading)]).toEqual([method, 403]);
      expect([method, await as(other.token)]).toEqual([method, 404]);
    }
    expect((await service.r2('BLOCKS').list()).length).toBe(blocksBefore);
    expect((await dav('GET', 'f', { token: owner.token })).text).toBe('kept');
  });

  test('a token in the path may write what it may, and a destination under another token is refused', async () => {
    await fresh('', { owner_uuid: owner.uuid });
    const token = await createToken(service, owner.uuid, {
      scopes: [`PATCH /arvados/v1/collections/${uuid}`, `GET /arvados/v1/collections/${uuid}`, 'PUT /'],
    });
    const at = `${uuid}/t=${token}`;
    expect(await status(dav('PUT', 'f', { at, body: 'x', token: null }))).toBe(201);
    expect(await status(dav('GET', 'f', { at, token: null }))).toBe(200);
    const to = { destination: `${service.url}/c=${uuid}/t=${token}/g` };
    expect(await status(dav('MOVE', 'f', { at, headers: to, token: null }))).toBe(201);
    const wrong = { destination: `${service.url}/c=${uuid}/t=other/h` };
    expect(await status(dav('MOVE', 'g', { at, headers: wrong, token: null }))).toBe(403);
  });

  test('who may only read gets 403 and stores nothing, who may write changes the files', async () => {
    await fresh('', { owner_uuid: owner.uuid });
    await dav('PUT', 'f', { body: 'kept', token: owner.token });
    const share = async (name: string) => {
      const link = { link_class: 'permission', name, tail_uuid: other.uuid, head_uuid: uuid };
      expect((await api(service, 'links', { token: owner.token, body: { link } })).status).toBe(200);
    };
    await share('can_read');
    const blocksBefore = (await service.r2('BLOCKS').list()).length;
    for (const [method, headers] of METHODS) {
      const wanted = Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [name, text.replace('UUID', uuid)]),
      );
      const bodies: Record<string, string> = { PUT: 'foreign content', LOCK: LOCKINFO, PROPPATCH: SET };
      const body = bodies[method] === undefined ? {} : { body: bodies[method] };
      expect([method, await status(dav(method, 'f', { headers: wanted, token: other.token, ...body }))]).toEqual([
        method,
        403,
      ]);
    }
    expect((await service.r2('BLOCKS').list()).length).toBe(blocksBefore);
    await share('can_write');
    expect(await status(dav('PUT', 'f', { body: 'changed', token: other.token }))).toBe(204);
  });

  test('a token that is revoked while its body is on the way changes nothing', async () => {
    await fresh('', { owner_uuid: owner.uuid });
    const token = await createToken(service, owner.uuid);
    const revoke = () =>
      api(service, `api_client_authorizations/${token.split('/')[1]}`, { method: 'DELETE', token: owner.token });
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('first half, '));
        await setTimeout(500);
        expect((await revoke()).status).toBe(200);
        controller.enqueue(new TextEncoder().encode('second half'));
        controller.close();
      },
    });
    const answer = await fetch(`${service.url}/c=${uuid}/f`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}` },
      body,
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(401);
    expect(await filesOf()).toBe(0);
  });

  test('names with dots, slashes and odd bytes land where they say, or nowhere', async () => {
    await fresh();
    for (const name of ['a%20b', '%E2%98%83', 'x%3Fy%23z', '%22%3C%26', 'back%5Cslash', 'new%0Aline'])
      expect([name, await status(put(name, name)), (await read(name)).text]).toEqual([name, 201, name]);
    const count = await filesOf();
    for (const path of ['..%2f..%2fx', 'a/..%2f..%2fy']) expect((await status(put(path, 'x'))) >= 400).toBe(true);
    expect(await filesOf()).toBe(count);
  });

  test('uploads are logged', async () => {
    await fresh();
    await put('logged.txt', 'hello');
    for (let found = 0; found === 0; ) {
      const { json } = await api(service, 'logs', { query: { filters: [['event_type', '=', 'file_upload']] } });
      found = json.items.filter(
        ({ properties }: { properties: Record<string, string> }) => properties.collection_uuid === uuid,
      ).length;
      if (found === 0) await setTimeout(100);
    }
  });
});

test('in a project, MKCOL makes a collection, PUT goes into it, MOVE renames it and DELETE trashes it', async () => {
  const project = (await api(service, 'groups', { body: { group: { group_class: 'project', name: 'dav project' } } }))
    .json.uuid;
  const at = project;
  expect(await status(dav('MKCOL', 'run-1', { at }))).toBe(201);
  expect(await status(dav('MKCOL', 'run-1/', { at }))).toBe(405);
  expect(await status(dav('PUT', 'file', { at, body: 'x' }))).toBe(409);
  expect(await status(dav('PUT', 'run-1/file', { at, body: 'content' }))).toBe(201);
  expect((await dav('GET', 'run-1/file', { at })).text).toBe('content');
  expect(await status(dav('MKCOL', 'run-1/d', { at }))).toBe(201);
  const to = (path: string) => ({ headers: { destination: `${service.url}/c=${project}/${path}` }, at });
  expect(await status(dav('MOVE', 'run-1/file', to('run-1/d/file')))).toBe(201);
  expect(await status(dav('MOVE', 'run-1/', to('run-2/')))).toBe(201);
  expect((await dav('GET', 'run-2/d/file', { at })).text).toBe('content');
  expect(await status(dav('MKCOL', 'run-1', { at }))).toBe(201);
  expect(await status(dav('MOVE', 'run-1', to('run-2')))).toBe(412);
  expect(await status(dav('DELETE', 'run-2/', { at }))).toBe(204);
  expect(await status(dav('GET', 'run-2/d/file', { at }))).toBe(404);
  expect(await status(dav('DELETE', 'run-2', { at }))).toBe(404);
  expect(await status(dav('DELETE', '', { at }))).toBe(405);
});

test('pages of other sites may upload with a token of their own: preflights allow the methods and headers', async () => {
  for (const method of ['PUT', 'MKCOL', 'MOVE', 'COPY', 'DELETE', 'LOCK', 'UNLOCK', 'PROPPATCH', 'PROPFIND']) {
    const answer = await request(`${service.url}/c=${uuid}/f`, {
      method: 'OPTIONS',
      token: null,
      headers: { origin: 'https://workbench.example', 'access-control-request-method': method },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-methods')).toContain(method);
    expect(answer.headers.get('access-control-allow-headers')).toContain('Destination');
  }
  await fresh();
  const uploaded = await put('from-workbench', 'x', { origin: 'https://workbench.example' });
  expect([uploaded.status, uploaded.headers.get('access-control-allow-origin')]).toEqual([201, '*']);
  expect(uploaded.headers.get('access-control-expose-headers')).toContain('ETag');
});

test('what file managers leave behind is dropped or refused when the operator says so', async () => {
  await using dropping = await startService({
    vars: { WEBDAV_LITTER: 'drop', WEBDAV_PERMISSION: { User: { Upload: false } } },
  });
  const made = await createCollection(dropping, '');
  const send = (name: string, token = ROOT_TOKEN) =>
    status(request(`${dropping.url}/c=${made.uuid}/${name}`, { method: 'PUT', body: 'x', token }));
  expect(await send('._photo.jpg')).toBe(201);
  expect(await send('real.jpg')).toBe(201);
  // Windows and macOS also lock what they write, and Windows sets properties of it.
  const ask = (method: string, extra: { headers?: Headers; body?: string }) =>
    request(`${dropping.url}/c=${made.uuid}/desktop.ini`, { method, ...extra });
  const locked = await ask('LOCK', { body: LOCKINFO });
  expect(locked.status).toBe(201);
  const lockToken = locked.headers.get('lock-token') ?? '';
  expect(lockToken).toMatch(/^<opaquelocktoken:.+>$/);
  expect(await status(ask('PUT', { body: 'x', headers: { if: `(${lockToken})` } }))).toBe(201);
  expect((await ask('PROPPATCH', { body: SET })).text).toContain('200 OK');
  expect(await status(ask('UNLOCK', { headers: { 'lock-token': lockToken } }))).toBe(204);
  const { json } = await api(dropping, `collections/${made.uuid}`);
  expect(json.file_count).toBe(1);
  const user = await createUser(dropping, 'no-uploads');
  // Who may not write is told so, also about litter.
  expect(
    await status(request(`${dropping.url}/c=${made.uuid}/._x`, { method: 'LOCK', body: LOCKINFO, token: user.token })),
  ).toBe(404);
  const own = await createCollection(dropping, '', { owner_uuid: user.uuid });
  expect(
    await status(request(`${dropping.url}/c=${own.uuid}/x`, { method: 'PUT', body: 'x', token: user.token })),
  ).toBe(403);
});
