import { describe, expect, test } from 'vitest';
import type { OpenCollection } from '../../../../src/collections/source.ts';
import { clientAddress } from '../../../../src/files/download-log.ts';
import { createOpener } from '../../../../src/files/open-cache.ts';
import { readFields } from '../../../../src/surfaces/keep-web/request-fields.ts';

describe("the client's address", () => {
  /** The last valid one counts. */
  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['1.1.1.1, 2.2.2.2', '2.2.2.2'],
    ['1.1.1.1, garbage, ,', '1.1.1.1'],
    ['1.1.1.1,::1', '::1'],
    ['2001:db8::7, 300.1.1.1', '2001:db8::7'],
    ['nothing', ''],
    ['', ''],
  ])('in X-Forwarded-For %j is %j', (header, address) => {
    expect(clientAddress(new Request('http://h/', { headers: { 'X-Forwarded-For': header } }))).toBe(address);
  });

  test('is found at once in a header that only looks like one long address', () => {
    const colons = `1.1.1.1, ${':'.repeat(1_000_000)}x`;
    expect(clientAddress(new Request('http://h/', { headers: { 'X-Forwarded-For': colons } }))).toBe('1.1.1.1');
  });

  test('is what the platform says before all', () => {
    const headers = { 'X-Forwarded-For': '1.1.1.1', 'CF-Connecting-IP': '9.9.9.9' };
    expect(clientAddress(new Request('http://h/', { headers }))).toBe('9.9.9.9');
  });
});

describe('what was opened', () => {
  const signal = new AbortController().signal;
  function setup(ttl: number) {
    const asked: string[] = [];
    const state = { hash: 'a+1', now: 0, accepted: true };
    const open = async (id: string, token: string): Promise<OpenCollection | null> => {
      asked.push(`${id} ${token}`);
      if (token === 'bad') return null;
      const { hash } = state;
      return {
        uuid: id,
        portableDataHash: hash,
        ownerUuid: null,
        name: '',
        modifiedAt: '',
        createdAt: null,
        revision: 1,
        hasMetadata: false,
        manifest: async () => [hash] as never,
      };
    };
    const opener = createOpener(
      { collections: { open }, isAccepted: async () => state.accepted },
      { openTtlSeconds: ttl, readStalenessSeconds: ttl },
      () => state.now,
    );
    const ask = (token = 't', fresh = false) => opener.open('c', token, fresh, signal);
    return { asked, state, ask };
  }

  test('is cached for one token and a while, refusals are not', async () => {
    const { asked, state, ask } = setup(5);
    await ask();
    state.now = 4999;
    await ask();
    expect(asked).toEqual(['c t']);
    await ask('u');
    await ask('bad');
    await ask('bad');
    expect(asked.slice(1)).toEqual(['c u', 'c bad', 'c bad']);
    state.now = 5000;
    await ask();
    expect(asked.length).toBe(5);
  });

  test('is asked for again when the client wants it fresh, and never cached for 0 seconds', async () => {
    const { asked, ask } = setup(5);
    await ask();
    await ask('t', true);
    expect(asked.length).toBe(2);
    const off = setup(0);
    await off.ask();
    await off.ask();
    expect(off.asked.length).toBe(2);
  });

  test('is not cached for a token that is no longer accepted', async () => {
    const { asked, state, ask } = setup(5);
    await ask();
    state.accepted = false;
    await ask();
    expect(asked.length).toBe(2);
  });

  test('gives no manifest of another content than it said', async () => {
    const { state, ask } = setup(5);
    const first = await ask();
    const cached = await ask();
    expect(await first?.manifest()).toEqual(['a+1']);
    expect(await cached?.manifest()).toEqual(['a+1']);
    state.hash = 'b+1';
    await expect(cached?.manifest()).rejects.toMatchObject({ code: 'unavailable' });
    // A client that asks again, as it was told, gets the new content.
    expect((await ask())?.portableDataHash).toBe('b+1');
  });
});

describe('the fields of a request', () => {
  const read = (body: string, type: string, query = '', method = 'POST') =>
    readFields(
      new Request('http://h/', { method, body, headers: { 'Content-Type': type } }),
      new URL(`http://h/?${query}`),
    );

  test('come from the query first, then from a form', async () => {
    const fields = await read('a=2&b=3', 'application/x-www-form-urlencoded; charset=utf-8', 'a=1');
    expect([fields.get('a'), fields.getAll('a'), fields.get('b'), fields.get('c'), fields.has('b')]).toEqual([
      '1',
      ['1', '2'],
      '3',
      null,
      true,
    ]);
    expect(fields.form.get('a')).toBe('2');
  });

  test('keep bytes that are not UTF-8, and percent signs that begin no escape', async () => {
    const fields = await read('files=M%DCller&x=100%25+%zz', 'application/x-www-form-urlencoded', 'files=%ff+%C3%A9');
    expect(fields.getAll('files')).toEqual(['\udcff é', 'M\udcdcller']);
    expect(fields.get('x')).toBe('100% %zz');
  });

  test('come from multipart forms', async () => {
    const body = '--B\r\nContent-Disposition: form-data; name="api_token"\r\n\r\nT\r\n--B--\r\n';
    expect((await read(body, 'multipart/form-data; boundary=B')).get('api_token')).toBe('T');
    await expect(read('rubbish', 'multipart/form-data; boundary=B')).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('come from JSON, which must be an object', async () => {
    expect((await read('{"files":["a"]}', 'application/json')).json).toEqual({ files: ['a'] });
    expect((await read('', 'application/json')).json).toBeNull();
    for (const body of ['[1]', '"x"', '{"a":', 'null']) {
      await expect(read(body, 'application/json')).rejects.toMatchObject({ code: 'bad_request' });
    }
  });

  test('are not looked for in other bodies, nor in large ones', async () => {
    expect((await read('a=2', 'text/plain')).get('a')).toBeNull();
    expect((await read('a=2', 'application/x-www-form-urlencoded', '', 'PROPFIND')).get('a')).toBeNull();
    const large = `a=${'x'.repeat(5_000_000)}`;
    await expect(read(large, 'application/x-www-form-urlencoded')).rejects.toMatchObject({ code: 'too_large' });
  });
});
