import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { blockOf, type KeepAnswer, putBlock, request, sign } from '../support/keep.ts';
import { s3Keys, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** Limits with the platform's limiter, and the day's bytes of anonymous readers. Windows are a minute of the clock. */

const PUBLIC = 'xedge-j7d0g-anonymouspublic';
/** As many as a window allows, of each limiter. */
const MOST = { LIMIT_TOKENS: 20, LIMIT_ADDRESSES: 10, LIMIT_ANONYMOUS: 3, LIMIT_WRONG_TOKENS: 2 };
const FILE = blockOf(randomBytes(60_000));

let service: TestService;
let user: TestUser;
let other: TestUser;
let uuid: string;
beforeAll(async () => {
  const window = (limit: number) => ({ limit, period: 60 as const });
  const limiters = Object.fromEntries(Object.entries(MOST).map(([name, limit]) => [name, window(limit)]));
  service = await startService({ limiters, vars: { ANONYMOUS_EGRESS_PER_DAY: '100 kB' } });
  user = await createUser(service, 'busy');
  other = await createUser(service, 'other');
  await putBlock(service.url, FILE);
  ({ uuid } = await createCollection(service, `. ${FILE.locator} 0:60000:a.bin\n`));
  const link = { link_class: 'permission', name: 'can_read', tail_uuid: PUBLIC, head_uuid: uuid };
  expect((await api(service, 'links', { body: { link } })).status).toBe(200);
});
afterAll(() => service.stop());

const MINUTE_MS = 60_000;
const TEST_MS = 15_000;
/** Who was refused is let in again when the minute is over, and when the day is: not in the middle of a test. */
beforeEach(async () => {
  const left = MINUTE_MS - (Date.now() % MINUTE_MS);
  if (left < TEST_MS) await setTimeout(left);
});

/** Asks until it is refused; a window may begin anew meanwhile, so twice as often as it allows, and once more. */
async function refusal(most: number, ask: () => Promise<KeepAnswer>): Promise<KeepAnswer> {
  for (let n = 0; n < 2 * most; n++) {
    const answer = await ask();
    if (answer.status === 429 || answer.status === 503) return answer;
  }
  return ask();
}

let addresses = 0;
/** Headers of a client at an address that no other has. */
const fromElsewhere = () => ({ 'CF-Connecting-IP': `192.0.2.${++addresses}` });

test('every surface refuses in its own terms, with the time to wait', async () => {
  const block = sign(FILE.locator, { token: user.token });
  const ask = async (path: string, options: Parameters<typeof request>[1] = {}) => {
    const client = fromElsewhere();
    const answer = await refusal(MOST.LIMIT_ADDRESSES, () =>
      request(service.url + path, { token: user.token, ...options, headers: { ...client, ...options?.headers } }),
    );
    expect([path, answer.headers.get('Retry-After')]).toEqual([path, '10']);
    expect(answer.headers.get('X-Request-Id')).toMatch(/^req-/);
    return answer;
  };
  // Nothing that is asked here is there, so that no bytes go out. Most meet LIMIT_ANONYMOUS.
  const token = null;
  const { token: own } = await createUser(service, 'far-away');
  const restApi = await ask('/arvados/v1/users/current', { token: own });
  expect([restApi.status, JSON.parse(restApi.text).errors[0]]).toEqual([429, expect.stringContaining('address')]);
  expect(restApi.headers.get('Access-Control-Allow-Origin')).toBe('*');
  const file = await ask(`/c=${uuid}/missing`, { token });
  expect([file.status, file.text]).toEqual([429, expect.stringContaining('go on in 10 seconds')]);
  const dav = await ask(`/c=${uuid}/`, { token, method: 'PROPFIND' });
  expect(dav.status).toBe(429);
  // Keep's clients give up at a 429.
  const get = await ask(`/${block}`, { token });
  expect([get.status, get.headers.get('Access-Control-Allow-Origin')]).toEqual([503, '*']);
  expect((await ask(`/${FILE.hash}`, { token, method: 'PUT', body: FILE.data })).status).toBe(503);
  const s3 = await ask(`/${uuid}/missing`, { token });
  expect([s3.status, s3.text]).toEqual([503, expect.stringContaining('<Code>SlowDown</Code>')]);
  const drs = await ask('/ga4gh/drs/v1/objects/x', { token });
  expect([drs.status, JSON.parse(drs.text).status_code]).toEqual([429, 429]);
  const page = await ask('/', { token, headers: { Accept: 'text/html' } });
  expect([page.status, page.headers.get('Content-Type')]).toEqual([429, expect.stringContaining('text/html')]);
  expect(page.text).toContain('Too many requests');
  const linked = await ask(`/c=${uuid}/`, { token, headers: { Accept: 'text/html' } });
  expect([linked.status, linked.text]).toEqual([429, expect.stringContaining('<h1>Too many requests</h1>')]);
});

test('a token’s requests count together on every surface, and hold back no other token', async () => {
  const paths = ['/arvados/v1/users/current', `/c=${uuid}/`, '/keep-edge/v1/gateways'];
  let n = 0;
  const busy = await refusal(MOST.LIMIT_TOKENS, () =>
    request(service.url + paths[n++ % paths.length], {
      token: n % 2 === 0 ? user.token : (user.token.split('/')[2] ?? ''),
    }),
  );
  expect([busy.status, busy.text]).toEqual([429, expect.stringContaining('with this token')]);
  expect((await api(service, 'users/current', { token: other.token })).status).toBe(200);
  expect((await api(service, 'users/current')).status).toBe(200);
});

test('a key pair for S3 is held back only by requests that are signed with its secret', async () => {
  const owner = await createUser(service, 's3-owner');
  const keys = await s3Keys(service, owner.token);
  const list = (secretAccessKey: string) => s3Request(service, '/', { keys: { ...keys, secretAccessKey } });
  for (let n = 0; n < 2 * MOST.LIMIT_TOKENS + 1; n++)
    expect((await list('x'.repeat(40))).code).toBe('SignatureDoesNotMatch');
  expect((await list(keys.secretAccessKey)).status).toBe(200);
  let last = 200;
  for (let n = 0; n < 2 * MOST.LIMIT_TOKENS && last === 200; n++) last = (await list(keys.secretAccessKey)).status;
  expect((await list(keys.secretAccessKey)).code).toBe('SlowDown');
});

test('an address that sends wrong tokens is held back, on forms too, and a token that was accepted there goes on', async () => {
  const client = fromElsewhere();
  const wrong = () =>
    request(`${service.url}/c=${uuid}/`, { token: null, headers: { ...client, Authorization: 'Bearer wrong' } });
  expect((await api(service, 'users/current', { token: other.token, headers: client })).status).toBe(200);
  const held = await refusal(MOST.LIMIT_WRONG_TOKENS, wrong);
  expect([held.status, held.text]).toEqual([429, expect.stringContaining('wrong tokens')]);
  const form = { method: 'POST', token: null, body: 'api_token=wrong&next=%2F' };
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: service.url };
  const signIn = (from: Record<string, string>) =>
    request(`${service.url}/workspace/sign-in`, { ...form, headers: { ...headers, ...from } });
  expect((await signIn(client)).status).toBe(429);
  expect((await api(service, 'users/current', { token: other.token, headers: client })).status).toBe(200);
  const elsewhere = fromElsewhere();
  expect((await signIn(elsewhere)).status).toBe(401);
  expect((await refusal(MOST.LIMIT_WRONG_TOKENS, () => signIn(elsewhere))).status).toBe(429);
});

test('requests without a token are held back by themselves', async () => {
  const client = fromElsewhere();
  const ask = () => request(`${service.url}/c=${uuid}/`, { token: null, headers: client });
  const held = await refusal(MOST.LIMIT_ANONYMOUS, ask);
  expect([held.status, held.text]).toEqual([429, expect.stringContaining('without a token')]);
  expect((await api(service, 'users/current', { token: other.token, headers: client })).status).toBe(200);
  const { series } = JSON.parse((await request(`${service.url}/keep-edge/v1/figures`)).text);
  const refused = (limit: string) => series[`keep_edge_refused_requests_total{limit="${limit}"}`];
  // A 503 that a limit gives is no failure of the service.
  const outcomes = (outcome: string) =>
    ['blocks', 's3'].map(
      (surface) => series[`keep_edge_request_seconds_count{surface="${surface}",outcome="${outcome}"}`],
    );
  expect(outcomes('failed')).toEqual([undefined, undefined]);
  expect(outcomes('refused')).toEqual([expect.any(Number), expect.any(Number)]);
  for (const limit of ['tokens', 'addresses', 'anonymous', 'wrong_tokens'])
    expect([limit, refused(limit) >= 1]).toEqual([limit, true]);
});

test('what goes out in a day without an account has a cap, which restarts and other ways to ask do not pass', async () => {
  const anonymous = (path: string, headers = {}) => request(service.url + path, { token: null, headers });
  const url = `/c=${uuid}/a.bin`;
  expect((await anonymous(url)).body.length).toBe(60_000);
  // It was below the cap when it began.
  expect((await anonymous(url)).body.length).toBe(60_000);
  const over = await anonymous(url);
  expect([over.status, over.text]).toEqual([429, expect.stringContaining('sign in')]);
  expect(Number(over.headers.get('Retry-After'))).toBeLessThanOrEqual(86_400);
  expect((await anonymous(url, { Authorization: 'Bearer wrong' })).status).toBe(429);
  for (const Range of ['bytes=0-9', 'bytes=0-9,20-29']) expect((await anonymous(url, { Range })).status).toBe(429);
  expect((await anonymous(`/c=${uuid}/?accept=application/zip&disposition=attachment`)).status).toBe(429);
  expect((await anonymous(`/${uuid}/a.bin`)).text).toContain('<Code>SlowDown</Code>');
  const config = await api(service, 'config', { token: null });
  const token: string = config.json.Users.AnonymousUserToken;
  const block = `/${sign(FILE.locator, { token })}`;
  const status = async (path: string, as: string | null) => (await request(service.url + path, { token: as })).status;
  expect(await status(block, token)).toBe(503);
  const page = await anonymous(url, { Accept: 'text/html' });
  expect([page.status, page.text]).toEqual([429, expect.stringContaining('come back after midnight UTC')]);

  // Nothing else is held back: names and sizes, signing in, and who has an account.
  expect((await anonymous(`/c=${uuid}/`)).status).toBe(200);
  expect((await anonymous('/workspace/sign-in', { Accept: 'text/html' })).status).toBe(200);
  expect(await status(url, service.rootToken)).toBe(200);
  expect(await status(url, other.token)).toBe(200);

  const limits = JSON.parse((await request(`${service.url}/keep-edge/v1/limits`)).text);
  expect(limits).toEqual({
    limits: ['tokens', 'addresses', 'anonymous', 'wrong_tokens'],
    anonymous_egress: { day: new Date().toISOString().slice(0, 10), bytes: 120_000, cap: 100_000 },
  });
  expect(await status('/keep-edge/v1/limits', other.token)).toBe(403);
  const metrics = await request(`${service.url}/metrics`, { token: service.managementToken });
  expect(metrics.text).toContain('keep_edge_anonymous_egress_bytes 120000\n');
  expect(metrics.text).toContain('keep_edge_anonymous_egress_cap_bytes 100000\n');
  await service.restart();
  expect((await anonymous(url)).status).toBe(429);
});
