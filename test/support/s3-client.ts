import { AwsClient } from 'aws4fetch';
import { request } from './keep.ts';
import type { TestService } from './service.ts';

export interface KeyPair {
  accessKeyId: string;
  secretAccessKey: string;
}

export interface S3Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
  text: string;
  /** Of an error document; '' for any other body. */
  code: string;
}

export interface S3Request {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Null: not signed. */
  keys?: KeyPair | null;
  /** Signs the query rather than the header. */
  presign?: boolean;
  /** The client's clock, `YYYYMMDDTHHMMSSZ`. */
  datetime?: string;
}

/** The key pair of a token. */
export async function s3Keys(service: Pick<TestService, 'url'>, token: string): Promise<KeyPair> {
  const answer = await request(`${service.url}/keep-edge/v1/s3-key`, { method: 'POST', token });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = JSON.parse(answer.text);
  return { accessKeyId, secretAccessKey };
}

/** A signed URL or signed headers for a request. */
export async function signS3(
  url: string,
  { method = 'GET', headers = {}, body, keys, presign = false, datetime }: S3Request,
) {
  if (keys === null || keys === undefined) return { url, headers };
  const client = new AwsClient({ ...keys, service: 's3', region: 'us-east-1' });
  const signed = await client.sign(url, {
    method,
    headers,
    ...(body === undefined ? {} : { body: body as BodyInit }),
    aws: { signQuery: presign, allHeaders: true, ...(datetime === undefined ? {} : { datetime }) },
  });
  return { url: signed.url, headers: Object.fromEntries(signed.headers) };
}

/** One S3 request, signed with version 4. */
export async function s3Request(
  service: Pick<TestService, 'url'>,
  path: string,
  options: S3Request = {},
): Promise<S3Answer> {
  const { method = 'GET', body } = options;
  const signed = await signS3(`${service.url}${path}`, options);
  const answer = await request(signed.url, {
    method,
    token: null,
    headers: signed.headers,
    ...(body === undefined ? {} : { body }),
  });
  const code = /<Code>(.*?)<\/Code>/.exec(answer.text)?.[1] ?? '';
  return { status: answer.status, headers: answer.headers, body: answer.body, text: answer.text, code };
}
