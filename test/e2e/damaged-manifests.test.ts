import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, createUser, type TestUser } from '../support/api.ts';
import { bearer, blockOf, md5, putBlock, request, sign } from '../support/keep.ts';
import { type KeepServer, startKeepServer } from '../support/keep-server.ts';
import { rawRequest } from '../support/raw-http.ts';
import { startService, type TestService } from '../support/service.ts';

const block = blockOf('foo');
const line = (name: string, locator = block.locator) => `./${name} ${locator} 0:3:f\n`;
const hashOf = (text: string) => `${md5(text)}+${text.length}`;

describe('a manifest in the bucket', () => {
  let service: TestService;
  let user: TestUser;
  beforeAll(async () => {
    service = await startService();
    user = await createUser(service, 'reader');
    await putBlock(service.url, block);
  });
  afterAll(() => service.stop());

  const damages: [string, (text: string) => string][] = [
    ['cut at the end of a line', (text) => text.slice(0, text.lastIndexOf('./'))],
    ['with one letter changed', (text) => text.replace('./d5-', './x5-')],
    ['with a line more', (text) => text + line('more')],
    ['with another block', (text) => text.replace(block.locator, blockOf('bar').locator)],
    ['that is empty', () => ''],
  ];

  test.each(damages)('%s is not served, and served again once it is repaired', async (damage, damaged) => {
    // Too long for a row.
    const text = Array.from({ length: 30_000 }, (_, index) => line(`d${index}-${md5(damage)}`)).join('');
    const manifest_text = text.replaceAll(block.locator, sign(block.locator, { token: user.token }));
    const made = await api(service, 'collections', { token: user.token, body: { collection: { manifest_text } } });
    const { uuid, portable_data_hash } = made.json;
    expect(portable_data_hash).toBe(hashOf(text));
    const bucket = service.r2('MANIFESTS');
    const [key = ''] = await bucket.list('manifests/');
    await bucket.put(key, Buffer.from(damaged(text)));

    const place = `${service.url}/c=${uuid}/d1-${md5(damage)}`;
    expect((await request(`${place}/f`, { token: user.token })).status).toBe(502);
    expect((await request(`${place}/`, { method: 'PROPFIND', token: user.token })).status).toBe(502);
    const path = `/arvados/v1/collections/${uuid}`;
    expect((await rawRequest(service.url, { path, headers: bearer(user.token) })).complete).toBe(false);
    const body = { replace_files: { '/new': `${portable_data_hash}/d1-${md5(damage)}/f` } };
    const edit = await api(service, `collections/${uuid}`, { method: 'PATCH', token: user.token, body });
    expect(edit.status).toBe(502);

    await bucket.put(key, Buffer.from(text));
    expect((await request(`${place}/f`, { token: user.token })).text).toBe('foo');
    const whole = await api(service, `collections/${uuid}`, { token: user.token });
    expect(whole.json.manifest_text.length).toBeGreaterThan(text.length);
    await bucket.delete(key);
  });
});

describe('a manifest from a cluster', () => {
  const token = 'v2/xclus-gj3su-000000000000000/secretsecretsecretsecretsecretsecretsecretsecretsecret';
  const signed = sign(block.locator, { token });
  const text = line('a') + line('b');
  const uuid = 'xclus-4zz18-000000000000000';
  let answered: string;
  let apiServer: KeepServer;
  let edge: TestService;
  beforeAll(async () => {
    apiServer = await startKeepServer(({ url }) => {
      const path = url?.split('?')[0];
      const record = { uuid, name: 'c', modified_at: '2026-01-01T00:00:00Z', portable_data_hash: hashOf(text) };
      if (path === `/arvados/v1/collections/${uuid}`) {
        const asked = url?.includes('manifest_text') ? { ...record, manifest_text: answered } : record;
        return { status: 200, body: JSON.stringify(asked) };
      }
      return { status: path?.endsWith('/current') ? 200 : 404, body: '{"uuid":"x","scopes":["all"]}' };
    });
    edge = await startService({ vars: { CLUSTER_ID: 'xclus', API_HOST: apiServer.url } });
    await putBlock(edge.url, block);
  });
  afterAll(() => Promise.all([edge, apiServer].map((one) => one.stop())));

  test.each([
    ['cut at the end of a line', line('a', signed)],
    ['of another collection', line('c', signed)],
    ['that is empty', ''],
  ])('%s is not served; the next answer may be right', async (_damage, damaged) => {
    answered = damaged;
    expect((await request(`${edge.url}/c=${uuid}/a/f`, { token })).status).toBe(502);
    await edge.restart();
  });

  test('with signatures is the same manifest', async () => {
    answered = line('a', signed) + line('b', signed);
    expect((await request(`${edge.url}/c=${uuid}/b/f`, { token })).text).toBe('foo');
  });
});
