import { expect, test } from 'vitest';
import { createClusterKeys } from '../../../src/accounts/cluster-s3-keys.ts';
import { startKeepServer } from '../../support/keep-server.ts';

const UUID = 'xclus-gj3su-000000000000000';

test("beside a cluster a key pair is a token's UUID and its secret, which the API server tells the root token", async () => {
  await using server = await startKeepServer(() => ({ status: 200, body: JSON.stringify({ api_token: 'secret' }) }));
  let now = 0;
  const keys = createClusterKeys(server.url, 'root', 10, () => now);
  const expected = { secret: 'secret', token: `v2/${UUID}/secret`, carriesToken: false };
  expect(await keys.credential(UUID)).toEqual(expected);
  expect(await keys.credential(UUID)).toEqual(expected);
  expect(server.seen.map(({ path, headers }) => [path, headers.authorization])).toEqual([
    [`/arvados/v1/api_client_authorizations/${UUID}`, 'Bearer root'],
  ]);
  now = 11_000;
  server.behave(() => ({ status: 404, body: '{}' }));
  expect(await keys.credential(UUID)).toBeNull();
  server.behave(() => ({ status: 200, body: '{"api_token": null}' }));
  expect(await keys.credential(UUID)).toBeNull();
  server.behave(() => ({ status: 503 }));
  await expect(keys.credential(UUID)).rejects.toThrow();
  const whole = `v2_${UUID}_secret`;
  expect(await keys.credential(whole)).toEqual({ secret: whole, token: `v2/${UUID}/secret`, carriesToken: true });
});
