import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { cliFor } from '../support/cli.ts';
import { createCollection } from '../support/collections.ts';
import { md5, request } from '../support/keep.ts';
import { rawRequest } from '../support/raw-http.ts';
import { type KeyPair, type S3Answer, type S3Request, s3Keys, s3Request, signS3 } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** The S3 API: who asks, buckets, listings, reading. Writing and real clients are in files of their own. */

let service: TestService;
let ann: TestUser;
let keys: KeyPair;
let uuid: string;

beforeAll(async () => {
  service = await startService({ vars: { S3_ENDPOINT: 'http://s3.localhost' } });
  ann = await createUser(service, 'ann');
  keys = await s3Keys(service, ann.token);
  ({ uuid } = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'lab-data' }));
});
afterAll(() => service.stop());

const s3 = (path: string, options: S3Request = {}) => s3Request(service, path, { keys, ...options });

describe('a signature', () => {
  test('of the key pair of a token opens what the token opens, under the UUID and the name in its home', async () => {
    for (const bucket of [uuid, 'lab-data']) {
      const answer = await s3(`/${bucket}`, { method: 'HEAD' });
      expect([answer.status, answer.headers.get('x-amz-bucket-region')]).toEqual([200, 'xedge']);
    }
    expect(keys.accessKeyId).toBe(ann.token.split('/')[1]);
    expect((await s3('/no-such-bucket?location')).code).toBe('NoSuchBucket');
  });

  test("in the original's form, v2_UUID_SECRET as both keys, is accepted in the header and not in a link", async () => {
    const text = ann.token.replaceAll('/', '_');
    const original = { accessKeyId: text, secretAccessKey: text };
    expect((await s3(`/${uuid}`, { method: 'HEAD', keys: original })).status).toBe(200);
    const link = await s3(`/${uuid}?location`, { keys: original, presign: true });
    expect([link.status, link.code]).toEqual([403, 'AccessDenied']);
    expect(link.text).toContain('keep-edge s3-key');
  });

  test('with another secret is SignatureDoesNotMatch, of an unknown key InvalidAccessKeyId', async () => {
    const wrong = { ...keys, secretAccessKey: `${keys.secretAccessKey}x` };
    expect((await s3(`/${uuid}?location`, { keys: wrong })).code).toBe('SignatureDoesNotMatch');
    const unknown = { accessKeyId: 'xedge-gj3su-000000000000000', secretAccessKey: 'x' };
    expect((await s3(`/${uuid}?location`, { keys: unknown })).code).toBe('InvalidAccessKeyId');
  });

  test('by the pair that `keep-edge s3-key` prints is good, as variables and for credential_process', async () => {
    await using line = await cliFor(service, 'cli-user');
    const pair = await s3Keys(service, line.token);
    const variables = await line.ok('s3-key');
    expect(variables).toContain(`export AWS_ACCESS_KEY_ID=${pair.accessKeyId}`);
    expect(variables).toContain(`export AWS_ENDPOINT_URL=${service.url}`);
    const { AccessKeyId, SecretAccessKey } = JSON.parse(await line.ok('s3-key', '--json'));
    expect({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey }).toEqual(pair);
    line.env.ARVADOS_API_TOKEN = service.rootToken;
    const root = await line.run('s3-key');
    expect([root.code, root.stderr]).toEqual([1, expect.stringContaining('the root token and the public one')]);
  });

  test('is no bearer token: a secret key opens nothing but S3', async () => {
    const as = `v2/${keys.accessKeyId}/${keys.secretAccessKey}`;
    expect((await request(`${service.url}/arvados/v1/users/current`, { token: as })).status).toBe(401);
  });

  test('is refused once anything that it covers is changed, and when a header of S3 is not covered', async () => {
    const signed = await signS3(`${service.url}/${uuid}?location`, { keys });
    const send = (url: string, more: Record<string, string> = {}) =>
      request(url, { token: null, headers: { ...signed.headers, ...more } });
    expect((await send(signed.url)).status).toBe(200);
    expect((await send(signed.url.replace('location', 'versioning'))).text).toContain('SignatureDoesNotMatch');
    expect(
      (
        await send(signed.url, {
          'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        })
      ).text,
    ).toContain('SignatureDoesNotMatch');
    expect((await send(signed.url, { 'x-amz-meta-added': '1' })).text).toContain('x-amz-meta-added');
  });

  test('in a link is good until it expires, and for that request only', async () => {
    const link = await signS3(`${service.url}/${uuid}?location&X-Amz-Expires=100`, { keys, presign: true });
    expect((await request(link.url, { token: null })).status).toBe(200);
    expect((await request(link.url, { token: null, method: 'DELETE' })).text).toContain('SignatureDoesNotMatch');
    const old = await signS3(`${service.url}/${uuid}?location`, { keys, presign: true, datetime: '20200101T000000Z' });
    const answer = await request(old.url, { token: null });
    expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('Request has expired')]);
  });

  test('with a clock that is wrong is told the time here', async () => {
    const answer = await s3(`/${uuid}?location`, { datetime: '20200101T000000Z' });
    expect([answer.status, answer.code]).toEqual([403, 'RequestTimeTooSkewed']);
    expect(answer.text).toContain('2020-01-01T00:00:00.000Z');
  });

  test.each([
    ['version 2', { authorization: 'AWS AKEY:c2ln' }, 'InvalidRequest', 'version 4'],
    ['another algorithm', { authorization: 'AWS4-ECDSA-P256-SHA256 Credential=x' }, 'AuthorizationHeaderMalformed', ''],
    ['no fields', { authorization: 'AWS4-HMAC-SHA256 x' }, 'AuthorizationHeaderMalformed', 'lacks'],
  ])('of %s is refused with a sentence', async (_, headers, code, says) => {
    const answer = await s3(`/${uuid}?location`, { keys: null, headers });
    expect([answer.status, answer.code]).toEqual([400, code]);
    expect(answer.text).toContain(says);
  });

  test('that is missing opens what is public, and is asked for elsewhere', async () => {
    const answer = await s3(`/${uuid}?location`, { keys: null });
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied']);
  });
});

describe('a request without a body', () => {
  test.each([
    ['GET', ''],
    ['HEAD', ''],
    ['DELETE', '/never'],
    ['PUT', '/lab-data'],
  ])('%s%s with the SHA-256 of one is refused, as on AWS', async (method, key) => {
    const at = method === 'PUT' ? key : `/${uuid}${key}`;
    const hash = (of: string) => ({ 'x-amz-content-sha256': createHash('sha256').update(of).digest('hex') });
    expect((await s3(at, { method, headers: hash('') })).status).toBeLessThan(300);
    const wrong = await s3(at, { method, headers: hash('body') });
    expect([wrong.status, wrong.code]).toEqual([400, method === 'HEAD' ? '' : 'XAmzContentSHA256Mismatch']);
  });
});

describe('a host of S3_ENDPOINT', () => {
  /** Over a socket: clients of the runtime would set the Host header themselves. */
  async function at(
    host: string,
    path: string,
    { method = 'GET', body, ...options }: S3Request = {},
  ): Promise<{ status: number; text: string; headers: Record<string, string> }> {
    const signed = await signS3(`http://${host}${path}`, {
      keys,
      method,
      ...(body === undefined ? {} : { body }),
      ...options,
    });
    const { pathname, search } = new URL(signed.url);
    const answer = await rawRequest(service.url, {
      method,
      path: `${pathname}${search}`,
      headers: { ...signed.headers, host },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
    return { status: answer.status, text: answer.body.toString(), headers: answer.headers };
  }

  test.each([
    ['a name in the home', () => 'lab-data'],
    ['a UUID', () => uuid],
  ])('is a bucket under %s: put, read, listed and deleted, signed in the header and in the query', async (_, name) => {
    const host = `${name()}.s3.localhost`;
    expect((await at(host, '/dir/k%20%2B.txt', { method: 'PUT', body: 'by host' })).status).toBe(200);
    expect((await at(host, '/dir/k%20%2B.txt')).text).toBe('by host');
    expect((await at(host, '/dir/k%20%2B.txt', { presign: true })).text).toBe('by host');
    expect((await at('s3.localhost', `/${name()}/dir/k%20%2B.txt`)).text).toBe('by host');
    expect((await at(host, '/?list-type=2')).text).toContain('<Key>dir/k +.txt</Key>');
    expect((await at(host, '/', { method: 'HEAD' })).headers['x-amz-bucket-region']).toBe('xedge');
    const other = await at(host, '/dir/k%20%2B.txt', { keys: { ...keys, secretAccessKey: 'wrong' } });
    expect(other.text).toContain('SignatureDoesNotMatch');
    expect((await at(host, '/dir/k%20%2B.txt', { method: 'DELETE' })).status).toBe(204);
    expect((await at(host, '/dir/k%20%2B.txt')).text).toContain('NoSuchKey');
  });

  test('lists buckets without one, opens a portable data hash, and asks who does not sign to do so', async () => {
    expect((await at('s3.localhost', '/')).text).toContain('<Name>lab-data</Name>');
    const { json } = await api(service, `collections/${uuid}`);
    expect((await at(`${json.portable_data_hash.replace('+', '-')}.s3.localhost`, '/?location')).status).toBe(200);
    for (const path of ['/', '/file', '/_health/ping'])
      expect((await at('lab-data.s3.localhost', path, { keys: null })).text).toContain('AccessDenied');
    expect((await at('lab-data.s3.localhost', '/x', { keys: null, method: 'PUT', body: 'x' })).status).toBe(403);
    expect((await at('evils3.localhost', '/lab-data/file', { keys: null })).text).not.toContain('<Error>');
  });

  test('takes forms whose policy is signed, metadata in any letters included', async () => {
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
    const fields: Record<string, string> = {
      key: `forms/$${'{filename}'}`,
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': `${keys.accessKeyId}/${scope}`,
      'x-amz-date': date,
      'x-amz-meta-note': 'Grüße',
    };
    const conditions = [
      { bucket: 'lab-data' },
      ['starts-with', '$key', 'forms/'],
      ...Object.entries(fields).flatMap(([name, value]) => (name === 'key' ? [] : [{ [name]: value }])),
    ];
    const expiration = new Date(Date.now() + 600_000).toISOString();
    const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString('base64');
    const signingKey = scope
      .split('/')
      .reduce<string | Buffer>(
        (k, part) => createHmac('sha256', k).update(part).digest(),
        `AWS4${keys.secretAccessKey}`,
      );
    const signature = createHmac('sha256', signingKey).update(policy).digest('hex');
    const parts = Object.entries({ ...fields, policy, 'x-amz-signature': signature }).map(
      ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const file = '--b\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\nby a form\r\n--b--\r\n';
    const post = (host: string) =>
      rawRequest(service.url, {
        method: 'POST',
        path: '/',
        headers: { host, 'content-type': 'multipart/form-data; boundary=b' },
        body: Buffer.from(parts.join('') + file),
      });
    expect((await post('lab-data.s3.localhost')).status).toBe(204);
    const got = await at('lab-data.s3.localhost', '/forms/f.txt');
    expect([got.text, got.headers['x-amz-meta-note']]).toEqual(['by a form', '=?UTF-8?B?R3LDvMOfZQ==?=']);
    expect((await post(`${uuid}.s3.localhost`)).status).toBe(403);
    await at('lab-data.s3.localhost', '/forms/f.txt', { method: 'DELETE' });
  });
});

describe('buckets', () => {
  test('are listed by name where they are in the home, else by UUID, over pages that lose none', async () => {
    const shared = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'Not A Bucket Name' });
    const all = await s3('/');
    const names = [...all.text.matchAll(/<Name>(.*?)<\/Name>/g)].map(([, name]) => name);
    expect(names).toEqual(expect.arrayContaining(['lab-data', shared.uuid]));
    expect(names).not.toContain(uuid);
    const paged: (string | undefined)[] = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const page: S3Answer = await s3(`/?max-buckets=1&continuation-token=${token}`);
      paged.push(...[...page.text.matchAll(/<Name>(.*?)<\/Name>/g)].map(([, name]) => name));
      token = /<ContinuationToken>(.*?)</.exec(page.text)?.[1];
    }
    expect(paged).toEqual(names);
    const named = async (prefix: string) =>
      [...(await s3(`/?prefix=${prefix}`)).text.matchAll(/<Name>(.*?)<\/Name>/g)].map(([, name]) => name);
    expect([await named('lab'), await named(shared.uuid), await named('xedge-4zz18-~')]).toEqual([
      ['lab-data'],
      [shared.uuid],
      [],
    ]);
    expect(await named('xedge-4')).toContain(shared.uuid);
    expect((await s3('/', { keys: null })).status).not.toBe(200);
  });

  test('are made, made again, and deleted while they are empty', async () => {
    for (const _ of [1, 2]) expect((await s3('/fresh-one', { method: 'PUT' })).status).toBe(200);
    expect((await s3('/fresh-one?location')).status).toBe(200);
    await put('fresh-one', 'file', 'x');
    expect((await s3('/fresh-one', { method: 'DELETE' })).code).toBe('BucketNotEmpty');
    expect((await s3('/lab-data', { method: 'PUT' })).status).toBe(200);
    for (const name of ['Bad_Name', '192.168.5.4', 'a..b', 'a.-b', 'a-.b', 'xn--a', 'ab', 'a--x-s3', 'a'.repeat(64)])
      expect([name, (await s3(`/${name}`, { method: 'PUT' })).code]).toEqual([name, 'InvalidBucketName']);
    expect((await s3('/public', { method: 'PUT', headers: { 'x-amz-acl': 'public-read' } })).code).toBe(
      'NotImplemented',
    );
    await s3('/empty-one', { method: 'PUT' });
    expect((await s3('/empty-one', { method: 'DELETE' })).status).toBe(204);
    expect((await s3('/empty-one', { method: 'HEAD' })).status).toBe(404);
  });

  test('are what their names stand for now: renamed, moved, trashed and made anew', async () => {
    const change = (of: string, collection: object) =>
      api(service, `collections/${of}`, { method: 'PATCH', token: ann.token, body: { collection } });
    const statusOf = async (bucket: string) => (await s3(`/${bucket}`, { method: 'HEAD' })).status;
    const first = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'turns' });
    for (const _ of [1, 2]) expect(await statusOf('turns')).toBe(200);
    await change(first.uuid, { name: 'turned' });
    expect([await statusOf('turns'), await statusOf('turned')]).toEqual([404, 200]);
    const second = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'turns' });
    await put('turns', 'second', 'x');
    expect((await s3('/turns/second')).text).toBe('x');
    const project = await api(service, 'groups', {
      method: 'POST',
      token: ann.token,
      body: { group: { group_class: 'project', name: 'away' } },
    });
    await change(second.uuid, { owner_uuid: project.json.uuid });
    expect(await statusOf('turns')).toBe(404);
    await change(first.uuid, { name: 'turns' });
    expect([await statusOf('turns'), (await s3('/turns/second')).status]).toEqual([200, 404]);
    await api(service, `collections/${first.uuid}`, { method: 'DELETE', token: ann.token });
    expect(await statusOf('turns')).toBe(404);
  });

  test('of another user are not there', async () => {
    const bob = await createUser(service, 'bob');
    const hers = { keys: await s3Keys(service, bob.token) };
    expect((await s3(`/${uuid}`, { method: 'HEAD', ...hers })).status).toBe(404);
    expect((await s3('/lab-data', { method: 'HEAD', ...hers })).status).toBe(404);
    expect((await s3(`/${uuid}`, { method: 'DELETE', ...hers })).status).toBe(404);
    expect((await s3(`/${uuid}`, { method: 'PUT', ...hers })).status).toBe(404);
  });
});

/** Through WebDAV, into a collection of Ann's that is named in her home. */
async function put(bucket: string, path: string, body: string | Uint8Array) {
  const { json } = await api(service, 'collections', { token: ann.token, query: { filters: [['name', '=', bucket]] } });
  const at = `${service.url}/c=${json.items[0].uuid}`;
  const parents = path.split('/').slice(0, -1);
  for (const [i] of parents.entries())
    await request(`${at}/${parents.slice(0, i + 1).join('/')}`, { method: 'MKCOL', token: ann.token });
  const answer = await request(`${at}/${path}`, { method: 'PUT', token: ann.token, body });
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
}

describe('an object', () => {
  beforeAll(async () => {
    await s3('/objects', { method: 'PUT' });
    await put('objects', 'dir/hello.txt', 'hello, keep');
    await put('objects', 'dir/empty', '');
    await put('objects', 'sp ace+é.html', '<script>1</script>');
  });

  test('is read whole and in ranges, with the MD5 of its one block as ETag, which the listing shows too', async () => {
    const whole = await s3('/objects/dir/hello.txt');
    expect([whole.status, whole.text, whole.headers.get('etag')]).toEqual([
      200,
      'hello, keep',
      `"${md5('hello, keep')}"`,
    ]);
    expect((await s3('/objects/dir/hello.txt', { method: 'HEAD' })).headers.get('etag')).toBe(
      whole.headers.get('etag'),
    );
    expect((await s3('/objects?list-type=2')).text).toContain(`<ETag>&#34;${md5('hello, keep')}&#34;</ETag>`);
    const part = await s3('/objects/dir/hello.txt', { headers: { range: 'bytes=7-' } });
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, 'keep', 'bytes 7-10/11']);
    expect((await s3('/objects/dir/hello.txt', { headers: { range: 'lines=1-2' } })).status).toBe(200);
    const beyond = await s3('/objects/dir/hello.txt', { headers: { range: 'bytes=11-' } });
    expect([beyond.status, beyond.code, beyond.headers.get('content-range')]).toEqual([
      416,
      'InvalidRange',
      'bytes */11',
    ]);
    expect((await s3('/objects/dir/empty', { headers: { range: 'bytes=0-' } })).status).toBe(416);
    const one = await s3('/objects/dir/hello.txt?partNumber=1');
    expect([one.status, one.text]).toEqual([206, 'hello, keep']);
    expect((await s3('/objects/dir/hello.txt?partNumber=2')).status).toBe(416);
  });

  test('answers conditions, ETags with quotes and without: 304 and 412, the latter as XML', async () => {
    const digest = md5('hello, keep');
    const asked = (headers: Record<string, string>, method = 'GET') =>
      s3('/objects/dir/hello.txt', { headers, method });
    for (const etag of [`"${digest}"`, digest, `other, ${digest}`, `"other","${digest}"`]) {
      for (const method of ['GET', 'HEAD']) {
        const statuses = [await asked({ 'if-none-match': etag }, method), await asked({ 'if-match': etag }, method)];
        expect([etag, method, ...statuses.map(({ status }) => status)]).toEqual([etag, method, 304, 200]);
      }
    }
    for (const other of ['"other"', 'other', md5('')]) {
      const failed = await asked({ 'if-match': other });
      expect([failed.status, failed.code]).toEqual([412, 'PreconditionFailed']);
      expect((await asked({ 'if-none-match': other })).status).toBe(200);
    }
    const range = { range: 'bytes=0-4' };
    expect((await asked({ ...range, 'if-range': digest })).status).toBe(206);
    expect((await asked({ ...range, 'if-range': 'other' })).status).toBe(200);
  });

  test('that is missing, a directory or a prefix is NoSuchKey, a bucket that is missing NoSuchBucket', async () => {
    for (const key of ['none', 'dir', 'dir/', 'dir/hello.txt/', 'dir//hello.txt'])
      expect([key, (await s3(`/objects/${key}`)).code]).toEqual([key, 'NoSuchKey']);
    expect((await s3('/objects/dir', { method: 'HEAD' })).status).toBe(404);
    expect((await s3('/no-such-bucket/x')).code).toBe('NoSuchBucket');
    expect((await s3('/objects/dir/hello.txt?versionId=abc')).code).toBe('NoSuchVersion');
  });

  test('under a name that needs escapes is read, and its page has no rights on an origin that others share', async () => {
    const answer = await s3('/objects/sp%20ace%2B%C3%A9.html');
    expect([answer.status, answer.text]).toEqual([200, '<script>1</script>']);
    expect(answer.headers.get('content-security-policy')).toBe('sandbox');
  });

  test('is sent with the headers that a signed link asks for, and not without a signature', async () => {
    const query = 'response-content-type=text%2Fx-y&response-content-disposition=attachment%3B%20filename%3Dz';
    const answer = await s3(`/objects/dir/hello.txt?${query}`, { presign: true });
    expect(answer.headers.get('content-type')).toBe('text/x-y');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename=z');
    expect((await s3(`/${uuid}/x?${query}`, { keys: null })).status).toBe(400);
  });

  test('of a project has the name of its collection before its path', async () => {
    const project = await api(service, 'groups', {
      body: { group: { name: 'p', group_class: 'project', owner_uuid: ann.uuid } },
    });
    const inside = await createCollection(service, '', { owner_uuid: project.json.uuid, name: 'C One' });
    await request(`${service.url}/c=${inside.uuid}/f`, { method: 'PUT', token: ann.token, body: 'in project' });
    const bucket = project.json.uuid;
    expect((await s3(`/${bucket}/C%20One/f`)).text).toBe('in project');
    expect((await s3(`/${bucket}/C%20One`)).code).toBe('NoSuchKey');
    expect((await s3(`/${bucket}?delimiter=/`)).text).toContain('<CommonPrefixes><Prefix>C One/</Prefix>');
    expect(keysOf((await s3(`/${bucket}`)).text)).toEqual(['C One/f']);
    expect(keysOf((await s3(`/${bucket}?prefix=C%20One/`)).text)).toEqual(['C One/f']);
  });

  test('under a portable data hash is read, and nothing else', async () => {
    const { json } = await api(service, 'collections', {
      token: ann.token,
      query: { filters: [['name', '=', 'objects']] },
    });
    const hash = json.items[0].portable_data_hash;
    for (const presign of [false, true])
      expect((await s3(`/${hash.replace('+', '%2B')}/dir/hello.txt`, { presign })).text).toBe('hello, keep');
    expect((await s3(`/${hash}`, { method: 'DELETE' })).status).toBe(403);
  });

  test('of a public collection is read without a signature', async () => {
    const open = await createCollection(service, '', { owner_uuid: ann.uuid, name: 'open-data' });
    await put('open-data', 'f', 'for all');
    await api(service, 'links', {
      body: {
        link: {
          link_class: 'permission',
          name: 'can_read',
          tail_uuid: 'xedge-j7d0g-anonymouspublic',
          head_uuid: open.uuid,
        },
      },
    });
    expect((await s3(`/${open.uuid}/f`, { keys: null })).text).toBe('for all');
    expect(keysOf((await s3(`/${open.uuid}?list-type=2`, { keys: null })).text)).toEqual(['f']);
    expect((await s3(`/${open.uuid}/f`, { keys: null, method: 'PUT', body: 'x' })).status).not.toBe(200);
    // Not MalformedXML: what the public sends is not even read.
    const deleting = await s3(`/${open.uuid}?delete=`, { keys: null, method: 'POST', body: 'no XML' });
    expect([deleting.status, deleting.code]).toEqual([403, 'AccessDenied']);
  });
});

describe('a listing', () => {
  const files = ['a!', 'a-b', 'a.txt', 'a/1', 'a/2', 'a0', 'dir/', 'z é+%.txt'];
  beforeAll(async () => {
    await s3('/listing', { method: 'PUT' });
    for (const file of files.filter((name) => !name.endsWith('/')))
      await put('listing', encodeURI(file).replaceAll('+', '%2B'), file);
    const { json } = await api(service, 'collections', {
      token: ann.token,
      query: { filters: [['name', '=', 'listing']] },
    });
    await request(`${service.url}/c=${json.items[0].uuid}/dir`, { method: 'MKCOL', token: ann.token });
  });

  test.each(['?list-type=2&', '?'])(
    '%s has all keys in the order of their bytes, whole and over pages',
    async (version) => {
      expect(keysOf((await s3(`/listing${version}`)).text)).toEqual(files);
      const paged: string[] = [];
      for (let more = ''; ; ) {
        const { text } = await s3(`/listing${version}max-keys=3${more}`);
        paged.push(...keysOf(text));
        if (!text.includes('<IsTruncated>true')) break;
        const token = /<NextContinuationToken>(.*?)</.exec(text)?.[1];
        more =
          token === undefined
            ? `&marker=${encodeURIComponent(paged.at(-1) ?? '')}`
            : `&continuation-token=${encodeURIComponent(token)}`;
      }
      expect(paged).toEqual(files);
    },
  );

  test('groups by a delimiter, is empty for max-keys=0, and encodes what the client asks for', async () => {
    const grouped = (await s3('/listing?list-type=2&delimiter=/')).text;
    expect(keysOf(grouped)).toEqual(files.filter((file) => !file.includes('/')));
    expect(grouped).toContain('<Prefix>a/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>dir/</Prefix>');
    expect(grouped).toContain('<KeyCount>7</KeyCount>');
    const owner = `<Owner><ID>${ann.uuid}</ID>`;
    const owners = ['?list-type=2', '?', '?list-type=2&fetch-owner=true'].map(async (query) =>
      (await s3(`/listing${query}`)).text.includes(owner),
    );
    expect(await Promise.all(owners)).toEqual([false, true, true]);
    const none = (await s3('/listing?list-type=2&max-keys=0')).text;
    expect([keysOf(none), none.includes('<IsTruncated>false')]).toEqual([[], true]);
    expect(keysOf((await s3('/listing?encoding-type=url&prefix=z')).text)).toEqual(['z%20%C3%A9%2B%25.txt']);
    for (const wrong of ['max-keys=x', 'list-type=3', 'encoding-type=x', 'list-type=2&continuation-token=*'])
      expect([wrong, (await s3(`/listing?${wrong}`)).code]).toEqual([wrong, 'InvalidArgument']);
    expect((await s3('/no-such-bucket?list-type=2')).code).toBe('NoSuchBucket');
  });
});

const keysOf = (xml: string) =>
  [...xml.matchAll(/<Contents><Key>(.*?)<\/Key>/g)].map(([, key = '']) =>
    key.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))),
  );

test('what clients ask on the way is answered: there is nothing of the kind', async () => {
  for (const [sub, status, says] of [
    ['versioning=', 200, 'VersioningConfiguration'],
    ['policy', 404, 'NoSuchBucketPolicy'],
    ['cors', 404, 'NoSuchCORSConfiguration'],
    ['lifecycle', 404, 'NoSuchLifecycleConfiguration'],
    ['acl', 200, '<Permission>FULL_CONTROL</Permission>'],
    ['somethingNew', 501, 'NotImplemented'],
  ] as const) {
    const answer = await s3(`/${uuid}?${sub}`);
    expect([sub, answer.status, answer.text.includes(says)]).toEqual([sub, status, true]);
  }
});

test('sub-resources that are not there are 501, and never reach the object', async () => {
  const answer = await s3(`/${uuid}/file?tagging`, { method: 'DELETE' });
  expect([answer.status, answer.code]).toEqual([501, 'NotImplemented']);
});
