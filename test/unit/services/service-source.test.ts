import { expect, test } from 'vitest';
import { connectTimeoutMs } from '../../../src/services/client-context.ts';
import { servicesFromUrls } from '../../../src/services/keep-service.ts';
import { accessibleServices } from '../../../src/services/service-source.ts';
import { startKeepServer } from '../../support/keep-server.ts';

const RECORD = {
  uuid: 'zzzzz-bi6l4-000000000000001',
  service_host: 'keep1',
  service_port: 25107,
  service_ssl_flag: false,
  service_type: 'disk',
  read_only: true,
};
const listing = (items: unknown[]) => () => ({
  status: 200,
  body: JSON.stringify({ kind: 'arvados#keepServiceList', items }),
});

test('services come from keep_services/accessible of the API server, with the token', async () => {
  await using api = await startKeepServer(listing([RECORD]));
  const services = accessibleServices(api.url, { token: 'tok' });
  expect(await services.list()).toEqual([
    { uuid: RECORD.uuid, url: 'http://keep1:25107', type: 'disk', readOnly: true },
  ]);
  expect(api.seen[0]).toMatchObject({ path: '/arvados/v1/keep_services/accessible' });
  expect(api.seen[0]!.headers.authorization).toBe('Bearer tok');
});

test('the list is kept for five minutes, and asked for again on refresh', async () => {
  await using api = await startKeepServer(listing([RECORD]));
  let now = 0;
  const services = accessibleServices(api.url, { now: () => now });
  await services.list();
  now = 299_999;
  await services.list();
  expect(api.seen).toHaveLength(1);
  await services.list(true);
  expect(api.seen).toHaveLength(2);
  now = 600_000;
  await services.list();
  expect(api.seen).toHaveLength(3);
  expect(api.seen[0]!.headers.authorization).toBeUndefined();
});

test('a list that was good once outlives a failing API server; without one that is an error', async () => {
  await using api = await startKeepServer(() => ({ status: 503 }));
  const services = accessibleServices(api.url);
  await expect(services.list()).rejects.toMatchObject({ code: 'bad_gateway' });
  api.behave(listing([RECORD]));
  expect(await services.list()).toHaveLength(1);
  for (const broken of [{ status: 500 }, { status: 200, body: '<html>' }, { status: 200, body: '{"items": 3}' }]) {
    api.behave(() => broken);
    expect(await services.list(true)).toHaveLength(1);
  }
});

test('a record that makes no sense is left out', async () => {
  await using api = await startKeepServer(
    listing([{ ...RECORD, service_port: 'x' }, null, { ...RECORD, service_host: '' }, RECORD]),
  );
  expect(await accessibleServices(api.url).list()).toHaveLength(1);
});

test('connecting may take 2 s to keepstores next door, 20 s through a proxy, twice that in each further round', () => {
  const disk = { uuid: 'u', url: 'http://d', type: 'disk', readOnly: false };
  const gateway = { ...disk, type: 'gateway:x' };
  const proxies = servicesFromUrls(['http://p']);
  expect([0, 1, 2].map((number) => connectTimeoutMs({ number, services: [disk, gateway] }))).toEqual([
    2000, 4000, 8000,
  ]);
  expect([0, 1].map((number) => connectTimeoutMs({ number, services: [disk, ...proxies] }))).toEqual([20_000, 40_000]);
});
