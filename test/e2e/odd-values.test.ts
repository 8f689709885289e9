import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { blockOf, request, sign } from '../support/keep.ts';
import { ROOT_TOKEN, startService, type TestService } from '../support/service.ts';

/** Values that are well-formed and still trip programs: names of prototypes, integers that are not exact, cut bodies. */

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service?.stop());

const FOO = blockOf('foo');

describe('the empty block', () => {
  const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e';

  test.each([
    ['+0', 200],
    ['+00', 200],
    ['+1', 502],
    ['+67108864', 502],
  ])('with the size hint %s is %i, for GET and HEAD', async (hint, status) => {
    const locator = sign(EMPTY + hint);
    for (const method of ['GET', 'HEAD'])
      expect([method, (await request(`${service.url}/${locator}`, { method })).status]).toEqual([method, status]);
  });
});

describe('names of prototypes', () => {
  const properties = JSON.parse('{"constructor":"a","__proto__":"b","prototype":1,"x":{"__proto__":{"y":1}}}');

  test('are properties of collections and groups like any other, to read, to filter by and to update', async () => {
    for (const [table, record] of [
      ['collections', 'collection'],
      ['groups', 'group'],
    ] as const) {
      const made = await api(service, table, { body: { [record]: { name: `odd ${table}`, properties } } });
      expect([table, JSON.stringify(made.json.properties)]).toEqual([table, JSON.stringify(properties)]);
      for (const filter of ['["properties.__proto__","=","b"]', '["properties.constructor","=","a"]']) {
        const found = await api(service, table, { query: { filters: `[${filter}]` } });
        expect(found.json.items.map(({ uuid }: { uuid: string }) => uuid)).toContain(made.json.uuid);
      }
    }
  });

  test('are no attributes and no storage classes', async () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect((await api(service, 'collections', { query: { select: `["${name}"]` } })).status).toBe(422);
      expect((await api(service, 'collections', { query: { filters: `[["${name}","=","a"]]` } })).status).toBe(422);
      const headers = { 'x-keep-storage-classes': name };
      const put = await request(`${service.url}/${FOO.hash}`, { method: 'PUT', body: FOO.data, headers });
      expect([name, put.status]).toEqual([name, 507]);
    }
  });
});

describe('integers that are not exact', () => {
  const large = 2 ** 52;
  test.each([
    ['files of several lines', `. ${FOO.hash}+${large} 0:${large}:a\n`.repeat(3).replace('.', './b')],
    ['files of one line', `. ${FOO.hash}+${large} 0:${large}:a 0:${large}:b 0:${large}:c\n`],
    ['one file', `. ${FOO.hash}+${large} 0:${large}:a 0:${large}:a\n`],
    ['blocks of one line', `. ${`${FOO.hash}+${large} `.repeat(3)}0:3:a\n`],
    ['a length', `. ${FOO.locator} 0:9007199254740993:a\n`],
    ['a block', `. ${FOO.hash}+9007199254740993 0:3:a\n`],
  ])('in sizes or the total of %s are 422', async (_, manifest_text) => {
    const { status, json } = await api(service, 'collections', { body: { collection: { manifest_text } } });
    expect([status, json.errors?.length]).toEqual([422, 1]);
  });

  test.each([2 ** 53, 1e300, -1, 1.5])('as replication_desired: %d is 422', async (replication_desired) => {
    const { status } = await api(service, 'collections', { body: { collection: { replication_desired } } });
    expect(status).toBe(422);
  });
});

describe('a body whose chunks are malformed', () => {
  /** The first line of the answer to a request that is written as it is. */
  const statusOf = (head: string, body: string) =>
    new Promise<string>((resolve) => {
      const { hostname, port } = new URL(service.url);
      let answer = '';
      const socket = connect(Number(port), hostname, () => socket.write(`${head}\r\n\r\n${body}`));
      socket.on('data', (data) => {
        answer += data;
        if (answer.includes('\r\n')) socket.destroy();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
    });

  test.each([
    ['PUT /pull', ''],
    ['PUT /trash', ''],
    ['POST /arvados/v1/collections', 'Content-Type: application/json'],
    ['POST /arvados/v1/collections', 'Content-Type: application/x-www-form-urlencoded'],
    ['PROPFIND /c=UUID/', 'Depth: 1'],
    ['POST /c=UUID/', 'Content-Type: application/x-www-form-urlencoded'],
    ['POST /c=UUID/', 'Content-Type: application/json\r\nAccept: application/zip'],
  ])('is 400: %s %s', async (line, extra) => {
    const { uuid } = (await api(service, 'collections', { body: { collection: {} } })).json;
    const head = [
      `${line.replace('UUID', uuid)} HTTP/1.1`,
      'Host: keep',
      `Authorization: Bearer ${ROOT_TOKEN}`,
      'Transfer-Encoding: chunked',
      ...(extra === '' ? [] : [extra]),
    ].join('\r\n');
    for (const body of ['zz\r\nfoo\r\n', '5\r\n[]\r\n0\r\n\r\n', '-3\r\nfoo\r\n0\r\n\r\n', 'ffffffffffffffffff\r\nfoo'])
      expect([body, await statusOf(head, body)]).toEqual([body, 'HTTP/1.1 400 Bad Request']);
  });
});
