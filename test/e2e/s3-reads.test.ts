import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { request } from '../support/keep.ts';
import { type KeyPair, type S3Request, s3Keys, s3Request, signS3 } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** The S3 API: who asks, buckets, listings, reading. Writing and real clients are in files of their own. */

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

test('sub-resources that are not there are 501, and never reach the object', async () => {
  const answer = await s3(`/${uuid}/file?tagging`, { method: 'DELETE' });
  expect([answer.status, answer.code]).toEqual([501, 'NotImplemented']);
});
