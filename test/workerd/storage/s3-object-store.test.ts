import { env } from 'cloudflare:workers';
import { AwsClient } from 'aws4fetch';
import { describe, expect, test } from 'vitest';
import { isKeepError } from '../../../src/keep/errors.ts';
import { createS3ObjectStore } from '../../../src/storage/s3-object-store.ts';
import type { S3DriverConfig } from '../../../src/storage/volume-config.ts';
import { describeObjectStore, type StoreUnderTest } from './object-store-contract.ts';

interface S3Env {
  S3_ENDPOINT: string;
  S3_REGION: string;
  S3_ACCESS_KEY_ID: string;
  S3_SECRET_ACCESS_KEY: string;
  CI: boolean;
}

const { S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, CI } = env as unknown as S3Env;

const driver = (bucket: string): S3DriverConfig => ({
  kind: 'S3',
  endpoint: S3_ENDPOINT,
  region: S3_REGION,
  bucket,
  usePathStyle: true,
  accessKeyId: S3_ACCESS_KEY_ID,
  secretAccessKey: S3_SECRET_ACCESS_KEY,
});

async function open(): Promise<StoreUnderTest> {
  const bucket = `keep-${crypto.randomUUID().slice(0, 13)}`;
  const client = new AwsClient({
    accessKeyId: S3_ACCESS_KEY_ID,
    secretAccessKey: S3_SECRET_ACCESS_KEY,
    service: 's3',
    region: S3_REGION,
  });
  const call = async (method: string, path: string, body?: Uint8Array<ArrayBuffer>) => {
    const response = await client.fetch(`${S3_ENDPOINT}/${bucket}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { text, etag: response.headers.get('etag') };
  };
  await call('PUT', '');
  return {
    store: createS3ObjectStore(driver(bucket)),
    putInParts: async (key, parts) => {
      const id = /<UploadId>([^<]+)</.exec((await call('POST', `/${key}?uploads=`)).text)?.[1] ?? '';
      let list = '';
      for (const [index, part] of parts.entries()) {
        const { etag } = await call('PUT', `/${key}?partNumber=${index + 1}&uploadId=${id}`, part);
        list += `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`;
      }
      const finish = new Uint8Array(
        new TextEncoder().encode(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`),
      );
      await call('POST', `/${key}?uploadId=${id}`, finish);
    },
  };
}

if (S3_ENDPOINT !== '' || CI) {
  describeObjectStore('a bucket on a real S3 server', open);

  describe('the S3 driver, when something is wrong', () => {
    test.each([
      ['the bucket is missing', driver('keep-no-such-bucket')],
      ['the secret is wrong', { ...driver('keep-no-such-bucket'), secretAccessKey: 'wrong' }],
    ])('says unavailable, never missing, when %s', async (_, config) => {
      const store = createS3ObjectStore(config);
      for (const attempt of [
        () => store.get('a'),
        () => store.put('a', new Uint8Array(1), { size: 1 }),
        () => store.list({ prefix: '' }),
        () => store.delete(['a', 'b']),
      ]) {
        const error = await attempt().catch((reason: unknown) => reason);
        expect(isKeepError(error, 'unavailable')).toBe(true);
      }
    });
  });
} else {
  test('the S3 driver is NOT TESTED: run through test/support/s3/with-s3', ({ skip }) =>
    skip('S3_ENDPOINT is not set'));
}
