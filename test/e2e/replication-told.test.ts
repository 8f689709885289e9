import { expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { request } from '../support/keep.ts';
import { startService } from '../support/service.ts';
import { R2_VOLUME, r2Volume } from '../support/volumes.ts';

test('clients and keep-balance are told the configured replication once there are other services to keep copies', async () => {
  await using service = await startService({
    vars: { DEFAULT_REPLICATION: 3, VOLUMES: { [R2_VOLUME]: r2Volume('BLOCKS', { Replication: 1 }) } },
  });
  const told = async () => [
    JSON.parse((await request(`${service.url}/discovery/v1/apis/arvados/v1/rest`)).text).defaultCollectionReplication,
    (await api(service, 'config')).json.Collections.DefaultReplication,
  ];
  const add = (keep_service: Record<string, unknown>) =>
    api(service, 'keep_services', { body: { keep_service } }).then(({ json }) => json.uuid as string);
  expect(await told()).toEqual([1, 1]);
  const { hostname, port } = new URL(service.url);
  await add({ service_host: hostname, service_port: Number(port), service_type: 'disk' });
  await add({ service_host: 'gateway.example', service_type: 'gateway:test' });
  expect(await told()).toEqual([1, 1]);
  const other = await add({ service_host: 'keep1.example', service_type: 'disk' });
  expect(await told()).toEqual([3, 3]);
  await api(service, `keep_services/${other}`, { method: 'DELETE' });
  expect(await told()).toEqual([1, 1]);
});
