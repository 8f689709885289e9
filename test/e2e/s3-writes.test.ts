import { createHash, createHmac, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { request } from '../support/keep.ts';
import { type KeyPair, type S3Request, s3Keys, s3Request, signS3 } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** The S3 API: writing objects, copies, deletions, uploads in parts. */

let service: TestService;
let ann: TestUser;
let keys: KeyPair;
let uuid: string;

beforeAll(async () => {
  service = await startService();
  ann = await createUser(service, 'ann');
  keys = await s3Keys(service, ann.token);
  ({ uuid } = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'lab-data' }));
});
afterAll(() => service.stop());

const s3 = (key: string, options: S3Request = {}) => s3Request(service, `/${uuid}${key}`, { keys, ...options });
const put = (key: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  s3(key, { method: 'PUT', body, headers });
const textOf = async (key: string) => (await s3(key)).text;
const md5 = (data: string | Uint8Array) => createHash('md5').update(data).digest('hex');
const tag = (xml: string, name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(xml)?.[1] ?? '';

describe('an object that is put', () => {
  test('is seen by every later request, with one ETag, its type and its metadata', async () => {
    const answer = await put('/a/b.txt', 'hello', {
      'content-type': 'text/x-own',
      'x-amz-meta-mtime': '123.5',
      'cache-control': 'no-cache',
      'x-amz-checksum-crc32': 'NhCmhg==',
    });
    const etag = `"${md5('hello')}"`;
    expect([answer.status, answer.headers.get('etag'), answer.headers.get('x-amz-checksum-crc32')]).toEqual([
      200,
      etag,
      'NhCmhg==',
    ]);
    const got = await s3('/a/b.txt');
    expect([got.text, got.headers.get('etag'), got.headers.get('content-type')]).toEqual(['hello', etag, 'text/x-own']);
    expect([got.headers.get('x-amz-meta-mtime'), got.headers.get('cache-control')]).toEqual(['123.5', 'no-cache']);
    expect((await s3('?list-type=2&prefix=a/')).text).toContain(`<ETag>${etag.replaceAll('"', '&#34;')}</ETag>`);
  });

  test('keeps metadata that is not ASCII: answered in encoded words, but to programs in Go as they send it', async () => {
    await put('/words', 'x', { 'x-amz-meta-note': '=?utf-8?q?Gr=C3=BC=C3=9Fe?=', 'x-amz-meta-plain': 'a =? b' });
    const got = await s3('/words', { method: 'HEAD' });
    expect([got.headers.get('x-amz-meta-note'), got.headers.get('x-amz-meta-plain')]).toEqual([
      '=?UTF-8?B?R3LDvMOfZQ==?=',
      'a =? b',
    ]);
    const raw = await s3('/words', { headers: { 'user-agent': 'rclone/v1.75.2' } });
    expect(Buffer.from(raw.headers.get('x-amz-meta-note') ?? '', 'latin1').toString()).toBe('Grüße');
    const webDav = await request(`${service.url}/c=${uuid}/words`, { token: ann.token });
    expect(webDav.headers.get('x-amz-meta-note')).toBe('=?UTF-8?B?R3LDvMOfZQ==?=');
    const control = await put('/words', 'y', { 'x-amz-meta-note': '=?UTF-8?Q?a=0Ab?=' });
    expect([control.status, control.code]).toEqual([400, 'InvalidArgument']);
    expect(await textOf('/words')).toBe('x');
  });

  test.each([
    ['crc32', 'NhCmhg=='],
    ['crc32c', 'mnG7TA=='],
    ['crc64nvme', 'M3eFcAZSQlc='],
    ['sha1', createHash('sha1').update('hello').digest('base64')],
    ['sha256', createHash('sha256').update('hello').digest('base64')],
  ])('with a %s is refused unless it has it, and the old object stays', async (name, value) => {
    const header = `x-amz-checksum-${name}`;
    const good = await put('/sum', 'hello', { [header]: value });
    expect([good.status, good.headers.get(header)]).toEqual([200, value]);
    const enabled = { headers: { 'x-amz-checksum-mode': 'ENABLED' } };
    expect((await s3('/sum', enabled)).headers.get(header)).toBe(value);
    expect((await s3('/sum')).headers.get(header)).toBeNull();
    // boto3, which always asks for checksums, fails with one where there is no content.
    const unchanged = { ...enabled.headers, 'if-none-match': good.headers.get('etag') ?? '' };
    const without = await s3('/sum', { headers: unchanged });
    expect([without.status, without.headers.get(header)]).toEqual([304, null]);
    const wrong = await put('/sum', 'hellO', { [header]: value });
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest']);
    expect((await put('/sum', 'x', { [header]: 'short' })).code).toBe('InvalidRequest');
    expect(await textOf('/sum')).toBe('hello');
  });

  test('with a Content-MD5 or SHA-256 that is another body’s is refused', async () => {
    await put('/digest', 'old');
    const base64 = createHash('md5').update('other').digest('base64');
    expect((await put('/digest', 'new', { 'content-md5': base64 })).code).toBe('BadDigest');
    expect((await put('/digest', 'new', { 'content-md5': 'bad' })).code).toBe('InvalidDigest');
    const sha256 = createHash('sha256').update('other').digest('hex');
    expect((await put('/digest', 'new', { 'x-amz-content-sha256': sha256 })).code).toBe('XAmzContentSHA256Mismatch');
    expect(await textOf('/digest')).toBe('old');
  });

  test('only where there is none, or over the one that the client knows', async () => {
    expect((await put('/once', '1', { 'if-none-match': '*' })).status).toBe(200);
    expect((await put('/once', '2', { 'if-none-match': '*' })).code).toBe('PreconditionFailed');
    expect((await put('/once', '2', { 'if-none-match': md5('1') })).code).toBe('PreconditionFailed');
    expect((await put('/once', '3', { 'if-match': `"${md5('x')}"` })).code).toBe('PreconditionFailed');
    expect((await put('/never', '3', { 'if-match': `"${md5('x')}"` })).code).toBe('NoSuchKey');
    expect((await put('/once', '4', { 'if-match': md5('1') })).status).toBe(200);
    expect(await textOf('/once')).toBe('4');
  });

  test('64 at a time all survive', async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => put(`/many/${i}`, `text ${i}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(64).fill(200));
    const listed = (await s3('?list-type=2&prefix=many/')).text.match(/<Key>/g);
    expect(listed).toHaveLength(64);
    expect(await textOf('/many/63')).toBe('text 63');
  });

  test('over a directory, or below a file, is refused', async () => {
    await put('/dir/file', 'x');
    expect((await put('/dir', 'x')).code).toBe('InvalidArgument');
    expect((await put('/dir/file/below', 'x')).code).toBe('InvalidArgument');
    expect(await textOf('/dir/file')).toBe('x');
  });

  test('by another user, or by the content’s own name, is refused', async () => {
    const bob = await createUser(service, 'bob');
    const foreign = await s3Request(service, `/${uuid}/x`, {
      keys: await s3Keys(service, bob.token),
      method: 'PUT',
      body: 'x',
    });
    expect(foreign.status).toBeGreaterThanOrEqual(403);
    const pdh = `${md5('x')}+1`;
    const byHash = await s3Request(service, `/${pdh}/x`, { keys, method: 'PUT', body: 'x' });
    expect([403, 404]).toContain(byHash.status);
  });
});

describe('an aws-chunked body', () => {
  const EMPTY = createHash('sha256').digest('hex');
  /** Frames the chunks, signed from the request's own signature on. */
  async function chunked(
    key: string,
    chunks: string[],
    {
      isSigned = false,
      trailers = {} as Record<string, string>,
      flip = false,
      headers = {} as Record<string, string>,
    } = {},
  ) {
    const names = Object.keys(trailers);
    const form = `STREAMING-${isSigned ? 'AWS4-HMAC-SHA256-PAYLOAD' : 'UNSIGNED-PAYLOAD'}${names.length > 0 ? '-TRAILER' : ''}`;
    const signed = await signS3(`${service.url}/${uuid}${key}`, {
      method: 'PUT',
      keys,
      headers: {
        'x-amz-content-sha256': form,
        'x-amz-decoded-content-length': String(chunks.join('').length),
        'content-encoding': 'aws-chunked,x-own',
        ...(names.length > 0 ? { 'x-amz-trailer': names.join(',') } : {}),
        ...headers,
      },
    });
    const authorization = signed.headers.authorization ?? '';
    let previous = /Signature=(\w+)/.exec(authorization)?.[1] ?? '';
    const scope = /Credential=[^/]+\/([^,]+)/.exec(authorization)?.[1] ?? '';
    const signingKey = scope
      .split('/')
      .reduce<string | Buffer>(
        (k, part) => createHmac('sha256', k).update(part).digest(),
        `AWS4${keys.secretAccessKey}`,
      );
    const sign = (kind: string, hashes: string) => {
      const date = signed.headers['x-amz-date'];
      const text = `AWS4-HMAC-SHA256-${kind}\n${date}\n${scope}\n${previous}\n${hashes}`;
      previous = createHmac('sha256', signingKey).update(text).digest('hex');
      return previous;
    };
    const sha = (text: string) => createHash('sha256').update(text).digest('hex');
    let body = '';
    for (const chunk of [...chunks, '']) {
      const signature = isSigned ? `;chunk-signature=${sign('PAYLOAD', `${EMPTY}\n${sha(chunk)}`)}` : '';
      body += `${chunk.length.toString(16)}${signature}\r\n${chunk}${chunk === '' ? '' : '\r\n'}`;
    }
    for (const [name, value] of Object.entries(trailers)) body += `${name}:${value}\r\n`;
    if (isSigned && names.length > 0) {
      const text = Object.entries(trailers)
        .map(([name, value]) => `${name}:${value}\n`)
        .join('');
      body += `x-amz-trailer-signature:${sign('TRAILER', sha(text))}\r\n`;
    }
    body += '\r\n';
    const answer = await request(signed.url, {
      method: 'PUT',
      token: null,
      headers: signed.headers,
      body: flip ? body.replace('hello', 'hellO') : body,
    });
    return { status: answer.status, code: /<Code>(.*?)<\/Code>/.exec(answer.text)?.[1] ?? '', headers: answer.headers };
  }
  const CRC = { 'x-amz-checksum-crc32': 'DUoRhQ==' };

  test.each([
    ['unsigned, with a trailer', { trailers: CRC }],
    ['signed', { isSigned: true }],
    ['signed, with a trailer', { isSigned: true, trailers: CRC }],
  ])('%s, becomes its content and nothing of its framing', async (_, form) => {
    const answer = await chunked('/chunked', ['hello', ' world'], form);
    expect([answer.status, answer.code]).toEqual([200, '']);
    const got = await s3('/chunked');
    expect([got.text, got.headers.get('content-encoding')]).toEqual(['hello world', 'x-own']);
  });

  test('is refused when a byte of it flips, when it is shorter than it says, and when its trailer is missing', async () => {
    await put('/kept', 'old');
    expect((await chunked('/kept', ['hello', ' world'], { isSigned: true, flip: true })).code).toBe(
      'SignatureDoesNotMatch',
    );
    expect((await chunked('/kept', ['hello', ' world'], { trailers: CRC, flip: true })).code).toBe('BadDigest');
    const short = { 'x-amz-decoded-content-length': '12' };
    expect((await chunked('/kept', ['hello world'], { trailers: CRC, headers: short })).code).toBe('IncompleteBody');
    const more = { 'x-amz-decoded-content-length': '10' };
    expect((await chunked('/kept', ['hello world'], { trailers: CRC, headers: more })).code).toBe('IncompleteBody');
    const plain = await put('/kept', '5\r\nhello\r\n0\r\n\r\n', { 'content-encoding': 'aws-chunked' });
    expect(plain.code).toBe('InvalidRequest');
    expect(await textOf('/kept')).toBe('old');
    const hashed = { 'x-amz-content-sha256': createHash('sha256').update('whole').digest('hex') };
    expect((await put('/named', 'whole', { ...hashed, 'content-encoding': 'gzip, aws-chunked' })).status).toBe(200);
    expect((await s3('/named', { method: 'HEAD' })).headers.get('content-encoding')).toBe('gzip');
  });
});

describe('deleting', () => {
  test('takes a file, its empty prefixes, and nothing else', async () => {
    await put('/del/deep/x', 'x');
    await put('/del/y', 'y');
    for (const key of ['/del', '/del/deep/', '/del/missing', '/del/y/', '/del//y', `/${'x'.repeat(1025)}`])
      expect([key, (await s3(key, { method: 'DELETE' })).status]).toEqual([key, 204]);
    expect([await textOf('/del/deep/x'), await textOf('/del/y')]).toEqual(['x', 'y']);
    await s3('/del/deep/x', { method: 'DELETE' });
    const listed = (await s3('?list-type=2&prefix=del/')).text;
    expect([...listed.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key)).toEqual(['del/y']);
  });

  test('a folder that was made stays until it is deleted itself', async () => {
    expect((await put('/folder/', '')).status).toBe(200);
    await put('/folder/x', 'x');
    await s3('/folder/x', { method: 'DELETE' });
    expect((await s3('?list-type=2&prefix=folder')).text).toContain('<Key>folder/</Key>');
    await s3('/folder/', { method: 'DELETE' });
    expect((await s3('?list-type=2&prefix=folder')).text).not.toContain('<Key>');
  });

  test('many keys in one request is one change, in any order, and missing ones count as deleted', async () => {
    await put('/bulk/', '');
    for (const key of ['/bulk/1', '/bulk/2', '/bulk3']) await put(key, key);
    const list = ['bulk/', 'bulk/2', 'bulk/1', 'no&amp;where', '../x'];
    const body = `<Delete>${list.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`;
    const answer = await s3('?delete', { method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(answer.text.match(/<Deleted>/g)).toHaveLength(list.length);
    expect((await s3('?list-type=2&prefix=bulk')).text.match(/<Key>.*?<\/Key>/g)).toEqual(['<Key>bulk3</Key>']);
    expect((await s3('?delete', { method: 'POST', body: '<Delete><Object>' })).code).toBe('MalformedXML');
    const guarded = (etag: string) => `<Delete><Object><Key>bulk3</Key><ETag>${etag}</ETag></Object></Delete>`;
    expect((await s3('?delete', { method: 'POST', body: guarded(md5('x')) })).code).toBe('PreconditionFailed');
    expect((await s3('?delete', { method: 'POST', body: guarded(md5('/bulk3')) })).text).toContain('<Deleted>');
    expect((await s3('/bulk3')).code).toBe('NoSuchKey');
  });

  test('only of the size or time that the client knows takes no other object', async () => {
    await put('/sized', '12345');
    const modified = (await s3('/sized', { method: 'HEAD' })).headers.get('last-modified') ?? '';
    const remove = (headers: Record<string, string>) => s3('/sized', { method: 'DELETE', headers });
    const early = 'Thu, 01 Jan 1970 00:00:00 GMT';
    expect((await remove({ 'x-amz-if-match-size': '4' })).code).toBe('PreconditionFailed');
    expect((await remove({ 'x-amz-if-match-last-modified-time': early })).code).toBe('PreconditionFailed');
    expect((await remove({ 'x-amz-if-match-size': 'x' })).code).toBe('InvalidArgument');
    const list = (fact: string) => `<Delete><Object><Key>sized</Key>${fact}</Object></Delete>`;
    const bulk = await s3('?delete', { method: 'POST', body: list('<Size>4</Size>') });
    expect(bulk.code).toBe('PreconditionFailed');
    expect(await textOf('/sized')).toBe('12345');
    const known = { 'x-amz-if-match-size': '5', 'x-amz-if-match-last-modified-time': modified };
    expect((await remove(known)).status).toBe(204);
    expect((await s3('/sized')).code).toBe('NoSuchKey');
    expect((await remove(known)).status).toBe(204);
  });
});

test('what cannot be kept is refused, and an ACL that says what is so is taken', async () => {
  for (const promise of ['server-side-encryption-customer-algorithm', 'object-lock-mode'])
    expect((await put('/promised', 'x', { [`x-amz-${promise}`]: 'AES256' })).code).toBe('NotImplemented');
  for (const name of ['content-type', 'cache-control'])
    expect((await put('/promised', 'x', { [name]: 'x'.repeat(2000) })).code).toBe('MetadataTooLarge');
  expect((await s3('/promised')).code).toBe('NoSuchKey');
  await put('/acl', 'x');
  for (const at of ['/acl?acl', '?acl']) {
    expect((await s3(at, { method: 'PUT', headers: { 'x-amz-acl': 'private' } })).status).toBe(200);
    expect((await s3(at, { method: 'PUT', headers: { 'x-amz-acl': 'public-read' } })).code).toBe('NotImplemented');
    expect((await s3(at, { method: 'PUT', body: '<AccessControlPolicy/>' })).code).toBe('NotImplemented');
  }
  expect(await textOf('/acl')).toBe('x');
  const taken = { method: 'PUT', headers: { 'x-amz-acl': 'private' } };
  const { portable_data_hash: hash } = await createCollection(service, '. d41d8cd98f00b204e9800998ecf8427e+0 0:0:e\n', {
    owner_uuid: ann.uuid,
  });
  expect((await s3Request(service, `/${encodeURIComponent(hash)}/e?acl`, { keys, ...taken })).code).toBe(
    'AccessDenied',
  );
  const reader = await createUser(service, 'reads-acl');
  await api(service, 'links', {
    body: { link: { link_class: 'permission', name: 'can_read', tail_uuid: reader.uuid, head_uuid: uuid } },
  });
  const own = { keys: await s3Keys(service, reader.token) };
  for (const at of ['/acl?acl', '?acl']) expect((await s3(at, { ...taken, ...own })).code).toBe('AccessDenied');
});

describe('copying', () => {
  test('moves no bytes, keeps or replaces metadata, and never empties an object', async () => {
    await put('/from', 'content', { 'content-type': 'text/x-a', 'x-amz-meta-k': '1' });
    const copy = await s3('/to', { method: 'PUT', headers: { 'x-amz-copy-source': `/${uuid}/from` } });
    expect([copy.status, tag(copy.text, 'ETag')]).toEqual([200, `&#34;${md5('content')}&#34;`]);
    const got = await s3('/to');
    expect([got.text, got.headers.get('content-type'), got.headers.get('x-amz-meta-k')]).toEqual([
      'content',
      'text/x-a',
      '1',
    ]);
    const itself = { 'x-amz-copy-source': `${uuid}/to` };
    expect((await s3('/to', { method: 'PUT', headers: itself })).code).toBe('InvalidRequest');
    const replace = { ...itself, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-k': '2' };
    expect((await s3('/to', { method: 'PUT', headers: replace })).status).toBe(200);
    const again = await s3('/to');
    expect([again.text, again.headers.get('x-amz-meta-k')]).toEqual(['content', '2']);
  });

  test('from another collection, with conditions on the source', async () => {
    const other = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'other' });
    const copy = (more: Record<string, string> = {}) =>
      s3Request(service, `/${other.uuid}/copied`, {
        keys,
        method: 'PUT',
        headers: { 'x-amz-copy-source': `lab-data/from`, ...more },
      });
    expect((await copy({ 'x-amz-copy-source-if-match': '"x"' })).code).toBe('PreconditionFailed');
    expect((await copy({ 'x-amz-copy-source': `lab-data/nothing` })).code).toBe('NoSuchKey');
    expect((await copy()).status).toBe(200);
    expect((await s3Request(service, `/${other.uuid}/copied`, { keys })).text).toBe('content');
  });
});

describe('an upload in parts', () => {
  const create = async (key: string, headers: Record<string, string> = {}) =>
    tag((await s3(`${key}?uploads`, { method: 'POST', headers })).text, 'UploadId');
  const part = (key: string, id: string, number: number, body: string | Uint8Array, headers = {}) =>
    s3(`${key}?partNumber=${number}&uploadId=${id}`, { method: 'PUT', body, headers });
  const complete = (key: string, id: string, parts: [number, string][], headers = {}) =>
    s3(`${key}?uploadId=${id}`, {
      method: 'POST',
      headers,
      body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts
        .map(
          ([number, etag]) =>
            `<Part><PartNumber>${number}</PartNumber><ETag>${etag.replaceAll('"', '&#34;')}</ETag></Part>`,
        )
        .join('')}</CompleteMultipartUpload>`,
    });

  test('of any sizes, in any order and at once, is one object then, and may be completed again', async () => {
    await put('/multi', 'old');
    const id = await create('/multi', { 'content-type': 'text/x-m', 'x-amz-meta-k': 'v' });
    const data = [randomBytes(300_000), randomBytes(1), randomBytes(70_000)];
    const answers = await Promise.all(
      [2, 0, 1].map(async (i) => [i, await part('/multi', id, i * 10 + 1, data[i] ?? '')] as const),
    );
    const etags = new Map(answers.map(([i, { headers }]) => [i, headers.get('etag') ?? '']));
    expect(etags.get(0)).toBe(`"${md5(data[0] ?? '')}"`);
    expect(await textOf('/multi')).toBe('old');
    const list = await s3(`/multi?uploadId=${id}&max-parts=2`);
    expect([
      list.text.match(/<Part>/g)?.length,
      tag(list.text, 'IsTruncated'),
      tag(list.text, 'NextPartNumberMarker'),
    ]).toEqual([2, 'true', '11']);
    expect((await s3(`/multi?uploadId=${id}&part-number-marker=11`)).text.match(/<Part>/g)).toHaveLength(1);
    expect((await s3('?uploads&prefix=mul')).text).toContain(`<UploadId>${id}</UploadId>`);
    const parts = [0, 1, 2].map((i): [number, string] => [i * 10 + 1, etags.get(i) ?? '']);
    expect((await complete('/multi', id, [...parts].reverse())).code).toBe('InvalidPartOrder');
    expect((await complete('/multi', id, [[1, md5('x')]])).code).toBe('InvalidPart');
    expect((await complete('/multi', id, [[2, parts[0]?.[1] ?? '']])).code).toBe('InvalidPart');
    const composite = createHash('md5')
      .update(Buffer.concat(data.map((one) => createHash('md5').update(one).digest())))
      .digest('hex');
    for (const _ of ['once', 'and when the answer was lost']) {
      const done = await complete('/multi', id, parts);
      expect([done.status, tag(done.text, 'ETag')]).toEqual([200, `&#34;${composite}-3&#34;`]);
    }
    const got = await s3('/multi');
    expect([Buffer.compare(got.body, Buffer.concat(data)), got.headers.get('etag')]).toEqual([0, `"${composite}-3"`]);
    expect([got.headers.get('content-type'), got.headers.get('x-amz-meta-k')]).toEqual(['text/x-m', 'v']);
    expect((await part('/multi', id, 1, 'late')).code).toBe('NoSuchUpload');
    expect((await s3('?uploads')).text).not.toContain(id);
  });

  test('that is aborted leaves the old object and no trace', async () => {
    await put('/aborted', 'old');
    const id = await create('/aborted');
    const { headers } = await part('/aborted', id, 1, 'new');
    expect((await s3(`/aborted?uploadId=${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await complete('/aborted', id, [[1, headers.get('etag') ?? '']])).code).toBe('NoSuchUpload');
    expect((await s3(`/aborted?uploadId=${id}`)).code).toBe('NoSuchUpload');
    expect((await s3(`/aborted?uploadId=${id}`, { method: 'DELETE' })).code).toBe('NoSuchUpload');
    expect(await textOf('/aborted')).toBe('old');
  });

  test.each([
    ['CRC32', 'FULL_OBJECT', 'NhCmhg=='],
    ['CRC32C', 'FULL_OBJECT', 'mnG7TA=='],
    ['CRC64NVME', 'FULL_OBJECT', 'M3eFcAZSQlc='],
    [
      'SHA256',
      'COMPOSITE',
      `${createHash('sha256').update(createHash('sha256').update('hel').digest()).update(createHash('sha256').update('lo').digest()).digest('base64')}-2`,
    ],
  ])('with a %s has it as a whole (%s), and is refused with another', async (algorithm, type, value) => {
    const id = await create('/summed', { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type });
    const parts: [number, string][] = [];
    for (const [i, text] of ['hel', 'lo'].entries()) {
      const { headers } = await part('/summed', id, i + 1, text);
      expect(headers.get(`x-amz-checksum-${algorithm.toLowerCase()}`)).not.toBeNull();
      parts.push([i + 1, headers.get('etag') ?? '']);
    }
    const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
    expect((await complete('/summed', id, parts, { [header]: `AAAA${value.slice(4)}` })).code).toBe('BadDigest');
    const done = await complete('/summed', id, parts, { [header]: value, 'x-amz-mp-object-size': '5' });
    expect([done.code, tag(done.text, `Checksum${algorithm}`)]).toEqual(['', value]);
    expect(await textOf('/summed')).toBe('hello');
  });

  test('takes ranges of other objects without moving a byte', async () => {
    await put('/source', '0123456789');
    const id = await create('/assembled');
    const copy = (number: number, range: string) =>
      s3(`/assembled?partNumber=${number}&uploadId=${id}`, {
        method: 'PUT',
        headers: { 'x-amz-copy-source': `${uuid}/source`, 'x-amz-copy-source-range': range },
      });
    const parts: [number, string][] = [];
    for (const [number, range] of [
      [1, 'bytes=7-9'],
      [2, 'bytes=0-2'],
    ] as const)
      parts.push([number, tag((await copy(number, range)).text, 'ETag').replaceAll('&#34;', '')]);
    expect((await copy(3, 'bytes=5-10')).code).toBe('InvalidRange');
    expect((await complete('/assembled', id, parts)).status).toBe(200);
    expect(await textOf('/assembled')).toBe('789012');
  });
});

describe('on a bad network', () => {
  test('a body that breaks off, anywhere in it, leaves the old object, and the next one is stored', async () => {
    await put('/network', 'old');
    await using proxy = await startTcpProxy(service.url);
    const body = randomBytes(3_000_000);
    for (const bytes of [100, 70_000, 1_500_000, 2_900_000]) {
      const cut = proxy.passed(bytes).then(() => proxy.cut());
      const sent = s3Request(proxy, `/${uuid}/network`, { keys, method: 'PUT', body }).then(
        ({ status }) => status,
        () => 'broken',
      );
      await cut;
      expect(await sent).toBe('broken');
      expect(await textOf('/network')).toBe('old');
    }
    expect((await put('/network', body)).status).toBe(200);
    expect(Buffer.compare((await s3('/network')).body, body)).toBe(0);
  });

  test('a body of which a byte flips is refused, whichever byte it is', async () => {
    await put('/flipped', 'old');
    const body = randomBytes(400_000);
    const sha256 = createHash('sha256').update(body).digest('hex');
    for (const at of [0, 1, 131_072, 262_144, 399_999]) {
      const flipped = Uint8Array.from(body);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const answer = await put('/flipped', flipped, { 'x-amz-content-sha256': sha256 });
      expect([at, answer.code]).toEqual([at, 'XAmzContentSHA256Mismatch']);
    }
    expect(await textOf('/flipped')).toBe('old');
  });
});

test('headers and documents that make no sense are refused, and the service goes on', async () => {
  const nonsense = [
    '',
    '\u0001',
    '<',
    '<Delete>'.repeat(5000),
    '<!DOCTYPE x [<!ENTITY a "b">]><Delete>&a;</Delete>',
    '<a/>',
  ];
  for (const body of nonsense) {
    for (const query of ['?delete', '/k?uploadId=x']) {
      const answer = await s3(query, { method: 'POST', body });
      expect([body.slice(0, 9), answer.status]).toEqual([body.slice(0, 9), expect.any(Number)]);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
    }
  }
  for (const [name, value] of [
    ['x-amz-checksum-crc32', '====='],
    ['x-amz-checksum-xxhash64', 'AAAA'],
    ['x-amz-trailer', 'x-amz-checksum-crc32'],
    ['x-amz-decoded-content-length', '-1'],
    ['x-amz-copy-source', '%'],
    ['x-amz-copy-source', '/'],
    ['x-amz-copy-source', `${'x'.repeat(100)}/y?versionId=1`],
  ] as const) {
    const answer = await put('/odd', 'x', { [name]: value });
    expect([name, value, answer.status]).not.toEqual([name, value, 200]);
    expect([name, value, answer.status < 502 && answer.code !== 'InternalError']).toEqual([name, value, true]);
  }
  expect((await put('/odd', 'x', { 'x-amz-meta-big': 'x'.repeat(3000) })).code).toBe('MetadataTooLarge');
  expect((await s3('/odd')).code).toBe('NoSuchKey');
});
