import { AwsClient } from 'aws4fetch';
import type { User } from '../../../src/accounts/account.ts';
import { hashSecret } from '../../../src/accounts/tokens.ts';
import { type CountedAnswer, type CountedService, countedService } from './counted-service.ts';
import { database, emptyDatabase } from './database.ts';

export const USER = 'xedge-tpzed-aaaaaaaaaaaaaaa';
const TOKEN = 'xedge-gj3su-aaaaaaaaaaaaaaa';
const SECRET = 'secretsecretsecretsecretsecretsecret';
export const HOST = 'http://keep.test';

/** A counted service with one ordinary user, and that user's clients. */
export interface CountedClients {
  service: CountedService;
  /** A signed request of S3, not yet sent. */
  signed(method: string, path: string, init?: RequestInit): Promise<Request>;
  /** Requests that succeed. */
  s3(method: string, path: string, init?: RequestInit): Promise<CountedAnswer>;
  web(method: string, path: string, init?: RequestInit): Promise<CountedAnswer>;
  api(method: string, path: string, body: object): Promise<CountedAnswer>;
  /** A new collection of a user, whose object is counted. */
  collectionOf(text: string, owner?: string): Promise<string>;
}

export const userOf = (uuid: string): User => ({ uuid, isAdmin: false, isActive: true, username: 'a', fullName: '' });

export async function addUser(db: D1Database, uuid: string): Promise<void> {
  const time = '2026-01-01T00:00:00.000000000Z';
  await db
    .prepare(
      'INSERT INTO users (uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, is_active) VALUES (?1, ?2, ?3, ?3, ?1, 1)',
    )
    .bind(uuid, 'xedge-tpzed-000000000000000', time)
    .run();
}

export async function countedClients(): Promise<CountedClients> {
  const db = await database();
  for (const table of ['tokens', 'collection_versions', 'file_metadata'])
    await db.prepare(`DELETE FROM ${table}`).run();
  await emptyDatabase(db);
  await addUser(db, USER);
  await db
    .prepare(
      'INSERT INTO tokens (uuid, owner_uuid, secret_sha256, created_at, modified_at, modified_by_user_uuid) SELECT ?, uuid, ?, created_at, modified_at, uuid FROM users WHERE uuid = ?',
    )
    .bind(TOKEN, await hashSecret(SECRET), USER)
    .run();
  const service = await countedService({ EDGE_CACHE: 'off', REPACK_IDLE: '0s', TOKEN_CACHE_TTL: '1h' });
  const { api: embedded } = service.deps;
  const pair = service.deps.s3?.keys.pairOf(TOKEN);
  if (!pair || embedded?.mode !== 'embedded') throw new Error('there are no collections, or the token has no key pair');
  const signer = new AwsClient({
    accessKeyId: pair.accessKey,
    secretAccessKey: pair.secretKey,
    service: 's3',
    region: 'xedge',
  });
  const asked = async (request: Request) => {
    const answer = await service.ask(request);
    if (answer.status >= 300) throw new Error(`${request.method} ${request.url}: ${answer.status} ${answer.text}`);
    return answer;
  };
  const signed: CountedClients['signed'] = async (method, path, init = {}) => {
    const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...(init.headers as Record<string, string>) };
    const request = await signer.sign(`${HOST}/${path}`, { ...init, method, headers });
    // As it would arrive: nothing on the way here adds the header.
    request.headers.set('Host', new URL(HOST).host);
    return request;
  };
  const withToken = (method: string, path: string, init: RequestInit) => {
    const headers = {
      Host: new URL(HOST).host,
      Authorization: `Bearer v2/${TOKEN}/${SECRET}`,
      ...(init.headers as Record<string, string>),
    };
    return asked(new Request(`${HOST}/${path}`, { ...init, method, headers }));
  };
  return {
    service,
    signed,
    s3: async (method, path, init) => asked(await signed(method, path, init)),
    web: (method, path, init = {}) => withToken(method, `c=${path}`, init),
    api: (method, path, body) =>
      withToken(method, `arvados/v1/${path}`, {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async collectionOf(text, owner = USER) {
      const manifest = await embedded.collections.stage([new TextEncoder().encode(text)], null);
      const { record } = await embedded.collections.create({ attributes: {}, manifest }, userOf(owner));
      await service.countObject(String(record.uuid));
      return String(record.uuid);
    },
  };
}
