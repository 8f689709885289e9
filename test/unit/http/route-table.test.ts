import { expect, test } from 'vitest';
import { createRouteTable } from '../../../src/http/route-table.ts';

const answer = (text: string) => new Response(text);
const table = createRouteTable<[string]>([
  ['GET HEAD', /^\/things\/current$/, () => answer('current')],
  ['GET', /^\/things\/(?<uuid>[^/]+)$/, (who, { uuid }) => answer(`${who} ${uuid}`)],
  ['ALL', /^\/any$/, () => answer('any')],
]);
const ask = async (method: string, path: string) => (await table(method, path, 'ann'))?.text();

test('the first route that matches answers, with the arguments and the groups of its path', async () => {
  expect(await ask('GET', '/things/current')).toBe('current');
  expect(await ask('HEAD', '/things/current')).toBe('current');
  expect(await ask('GET', '/things/x')).toBe('ann x');
  expect(await ask('DELETE', '/any')).toBe('any');
});

test('what matches no route is undefined', async () => {
  expect(await ask('POST', '/things/x')).toBeUndefined();
  expect(await ask('GET', '/things/x/y')).toBeUndefined();
  expect(await ask('GET', '/constructor')).toBeUndefined();
});

test.each(['a b', 'ä', '%2F', '?q=1', '#f', '100%', 'a+b'])('a path component arrives as it was: %s', async (name) => {
  expect(await ask('GET', `/things/${name}`)).toBe(`ann ${name}`);
});
