import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Behaviour, type KeepServer, startKeepServer } from '../support/keep-server.ts';
import { startService, type TestService } from '../support/service.ts';

/** An OpenID provider that is broken, or not what it should be. */

let provider: KeepServer;
let service: TestService;
beforeAll(async () => {
  provider = await startKeepServer(() => ({ status: 503 }));
  service = await startService({
    vars: { OIDC_ISSUER: provider.url, OIDC_CLIENT_ID: 'keep', OIDC_CLIENT_SECRET: 'secret' },
  });
});
afterAll(() => Promise.all([service, provider].map((one) => one.stop())));

const says =
  (body: string): Behaviour =>
  () => ({ status: 200, body });
const part = (text: string) => Buffer.from(text).toString('base64url');

test.each<[string, Behaviour]>([
  ['nothing', says('null')],
  ['no address', says('{"authorization_endpoint": 3}')],
  ['more than any provider', says(`${' '.repeat(512 * 1024)}{"authorization_endpoint": "https://login.example/"}`)],
  [
    'half an answer, and no more',
    (_, response) => {
      response.write('{"authorization_endpoint":');
      return undefined;
    },
  ],
])('one that says %s does not answer as it should', async (_, behaviour) => {
  provider.behave(behaviour);
  expect((await fetch(`${service.url}/workspace/oidc`, { redirect: 'manual' })).status).toBe(502);
});

test.each([
  ['no list of keys', { keys: 3 }, 'x.y.z', 502],
  ['a key that is none', { keys: [null, { kty: 'RSA', n: '', e: '' }] }, `${part('{"alg":"RS256"}')}.e30.AAAA`, 403],
  ['a token without a head', { keys: [] }, `${part('null')}.e30.AAAA`, 403],
  ['a signature that is none', { keys: [{ kty: 'EC' }] }, `${part('{"alg":"ES256"}')}.e30.*`, 403],
])('one that gives %s signs no one in', async (_, keys, id_token, status) => {
  const endpoints = { authorization_endpoint: 'https://login.example/', token_endpoint: `${provider.url}/token` };
  const answer = { ...endpoints, jwks_uri: `${provider.url}/keys` };
  provider.behave(({ url }) => ({
    status: 200,
    body: JSON.stringify(url === '/token' ? { id_token } : url === '/keys' ? keys : answer),
  }));
  const left = await fetch(`${service.url}/workspace/oidc`, { redirect: 'manual' });
  const state = new URL(left.headers.get('location') ?? '').searchParams.get('state');
  const cookie = (left.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const back = `${service.url}/workspace/oidc/callback?code=c&state=${state}`;
  expect((await fetch(back, { headers: { cookie }, redirect: 'manual' })).status).toBe(status);
});
