import { randomBytes } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { test } from 'vitest';

/**
 * A real S3 server for tests: Ceph RGW, started by test/support/s3/with-s3, which leaves its address in the environment.
 * This client is for the test's own hands on the buckets; the service has a driver of its own.
 */
export interface S3Server {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export function s3Server(): S3Server | null {
  const { S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = process.env;
  if (!S3_ENDPOINT || !S3_ACCESS_KEY_ID || !S3_SECRET_ACCESS_KEY) return null;
  return {
    endpoint: S3_ENDPOINT,
    region: S3_REGION ?? 'us-east-1',
    accessKeyId: S3_ACCESS_KEY_ID,
    secretAccessKey: S3_SECRET_ACCESS_KEY,
  };
}

/** True where there is an S3 server, and under CI=true, where tests that lack one must fail. */
export const s3IsRequired = s3Server() !== null || process.env.CI === 'true';

/** `test` where S3 is required; elsewhere a loud skip. */
export const s3Test = s3IsRequired ? test : test.skip;

if (!s3IsRequired) {
  process.stderr.write(
    '\n*** SKIPPED: no S3 server (S3_ENDPOINT is not set). Run through `test/support/s3/with-s3 --auto -- npx vitest ...` ***\n\n',
  );
}

export interface S3Bucket {
  server: S3Server;
  name: string;
  get(key: string): Promise<{ data: Uint8Array; etag: string; modified: string } | null>;
  put(key: string, body: Uint8Array): Promise<void>;
  /** A multipart upload, whose ETag is not an MD5. */
  putInParts(key: string, body: Uint8Array, partBytes?: number): Promise<void>;
  delete(key: string): Promise<void>;
  list(prefix?: string): Promise<string[]>;
}

const PART_BYTES = 5 << 20;

/** A bucket, with a random name unless told. The server is thrown away after the run, so it is never removed. */
export async function createS3Bucket(
  server: S3Server | null = s3Server(),
  name = `keep-${randomBytes(6).toString('hex')}`,
): Promise<S3Bucket> {
  if (server === null) throw new Error('S3_ENDPOINT is not set: run under test/support/s3/with-s3');
  const client = new AwsClient({ ...server, service: 's3', retries: 2 });
  const call = async (method: string, key: string, query = '', body?: Uint8Array | string) => {
    const path = key.split('/').map(encodeURIComponent).join('/');
    const url = `${server.endpoint}/${name}${key === '' ? '' : `/${path}`}${query}`;
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    const response = await client.fetch(url, { method, ...(bytes === undefined ? {} : { body: bytes as BodyInit }) });
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${url}: ${response.status}`);
    return response;
  };
  await call('PUT', '');
  return {
    server,
    name,
    get: async (key) => {
      const response = await call('GET', key);
      const data = new Uint8Array(await response.arrayBuffer());
      if (response.status === 404) return null;
      return {
        data,
        etag: response.headers.get('etag') ?? '',
        modified: response.headers.get('last-modified') ?? '',
      };
    },
    put: async (key, body) => void (await call('PUT', key, '', body)),
    putInParts: async (key, body, partBytes = PART_BYTES) => {
      const started = await (await call('POST', key, '?uploads=')).text();
      const id = /<UploadId>([^<]+)</.exec(started)?.[1] ?? '';
      let parts = '';
      for (let at = 0, number = 1; at < body.length; at += partBytes, number++) {
        const query = `?partNumber=${number}&uploadId=${encodeURIComponent(id)}`;
        const part = await call('PUT', key, query, body.subarray(at, at + partBytes));
        parts += `<Part><PartNumber>${number}</PartNumber><ETag>${part.headers.get('etag')}</ETag></Part>`;
      }
      const finish = `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`;
      await call('POST', key, `?uploadId=${encodeURIComponent(id)}`, finish);
    },
    delete: async (key) => void (await call('DELETE', key)),
    list: async (prefix = '') => {
      const keys: string[] = [];
      let token: string | undefined;
      do {
        const more = token === undefined ? '' : `&continuation-token=${encodeURIComponent(token)}`;
        const page = await (await call('GET', '', `?list-type=2&prefix=${encodeURIComponent(prefix)}${more}`)).text();
        keys.push(...[...page.matchAll(/<Key>([^<]+)<\/Key>/g)].map((match) => match[1] ?? ''));
        token = /<NextContinuationToken>([^<]+)</.exec(page)?.[1];
      } while (token !== undefined);
      return keys;
    },
  };
}

/** An S3 volume as it stands in VOLUMES; the secrets go into the vars `S3_ACCESS_KEY_ID` and `S3_SECRET_ACCESS_KEY`. */
export function s3Volume(bucket: S3Bucket, parameters: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    Driver: 'S3',
    Replication: 1,
    DriverParameters: {
      Endpoint: bucket.server.endpoint,
      Region: bucket.server.region,
      Bucket: bucket.name,
      UsePathStyle: true,
      PrefixLength: 3,
      ...parameters,
    },
  };
}

/** The vars that an S3 volume's keys are read from. */
export function s3Secrets({ server }: S3Bucket): Record<string, string> {
  return { S3_ACCESS_KEY_ID: server.accessKeyId, S3_SECRET_ACCESS_KEY: server.secretAccessKey };
}
