import { AwsClient } from 'aws4fetch';
import { api, type Json } from './api.ts';
import { request } from './keep.ts';
import type { S3Bucket } from './s3.ts';
import { ROOT_TOKEN, type TestService } from './service.ts';

/** Gateways and adoptions for tests. */

export const R2_GATEWAY = 'xedge-bi6l4-lake00000000000';
export const S3_GATEWAY = 'xedge-bi6l4-ceph00000000000';
export const PUBLIC_GATEWAY = 'xedge-bi6l4-open00000000000';

/** An entry of GATEWAYS over a bucket on a real S3 server; without keys for a public one. */
export function s3Gateway(
  bucket: S3Bucket,
  name: string,
  fields: Record<string, unknown> = {},
  { isPublic = false, ...parameters }: { isPublic?: boolean; [parameter: string]: unknown } = {},
): Record<string, unknown> {
  return {
    Name: name,
    Driver: 'S3',
    ...fields,
    DriverParameters: {
      Endpoint: bucket.server.endpoint,
      Region: bucket.server.region,
      Bucket: bucket.name,
      UsePathStyle: true,
      ...(isPublic ? {} : { AccessKeyIDSecret: 'S3_ACCESS_KEY_ID', SecretAccessKeySecret: 'S3_SECRET_ACCESS_KEY' }),
      ...parameters,
    },
  };
}

/** Lets the whole world list and read a bucket. */
export async function makePublic({ server, name }: S3Bucket): Promise<void> {
  const statement = (Action: string, Resource: string) => ({ Effect: 'Allow', Principal: '*', Action, Resource });
  const policy = {
    Version: '2012-10-17',
    Statement: [
      statement('s3:ListBucket', `arn:aws:s3:::${name}`),
      statement('s3:GetObject', `arn:aws:s3:::${name}/*`),
    ],
  };
  const client = new AwsClient({ ...server, service: 's3' });
  const answer = await client.fetch(`${server.endpoint}/${name}?policy=`, {
    method: 'PUT',
    body: JSON.stringify(policy),
  });
  if (!answer.ok) throw new Error(`policy of ${name}: ${answer.status} ${await answer.text()}`);
}

export async function createProject(service: TestService, name: string, token = ROOT_TOKEN): Promise<string> {
  const made = await api(service, 'groups', { body: { group: { name, group_class: 'project' } }, token });
  if (made.status !== 200) throw new Error(JSON.stringify(made.json));
  return made.json.uuid;
}

/** What the service answers under /keep-edge/v1. */
export async function operator(
  service: TestService,
  path: string,
  { method = 'GET', body, token = ROOT_TOKEN }: { method?: string; body?: unknown; token?: string } = {},
): Promise<{ status: number; json: Json; text: string }> {
  const answer = await request(`${service.url}/keep-edge/v1/${path}`, {
    method,
    token,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: answer.status, json: isJson ? JSON.parse(answer.text) : null, text: answer.text };
}

/** Starts an adoption and waits for its end. */
export async function adopted(service: TestService, body: Record<string, unknown>, token = ROOT_TOKEN): Promise<Json> {
  const begun = await operator(service, 'adoptions', { method: 'POST', body, token });
  if (begun.status !== 200) throw new Error(`${begun.status} ${begun.text}`);
  for (let { json } = begun; ; ) {
    if (['done', 'failed', 'cancelled'].includes(json.phase)) return json;
    await new Promise((resolve) => setTimeout(resolve, 50));
    ({ json } = await operator(service, `adoptions/${json.id}`, { token }));
  }
}
