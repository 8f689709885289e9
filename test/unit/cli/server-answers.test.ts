import { once } from 'node:events';
import { expect, test } from 'vitest';
import { listAll } from '../../../src/cli/all-records.ts';
import { createApi } from '../../../src/cli/api-client.ts';
import { AnswerTooLong, boundedText, startOfText } from '../../../src/streams/bounded-text.ts';
import { startKeepServer } from '../../support/keep-server.ts';

/** A service that is broken, or means harm, and the command line. */

const MIB = 1024 * 1024;
const MOST_MIB = 64;

test('of a refusal the beginning is read and shown, and the rest is not waited for', async () => {
  let sent = 0;
  await using server = await startKeepServer(async (_, response) => {
    response.writeHead(403);
    while (sent < MOST_MIB && !response.destroyed) {
      sent++;
      if (!response.write(Buffer.alloc(MIB, 'no ')))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    response.end();
    return undefined;
  });
  const api = createApi({ apiUrl: server.url, token: 't', insecure: false });
  const refused = await api('arvados/v1/users/current').catch((error: Error) => error);
  api.close();
  expect(refused).toMatchObject({ status: 403, message: expect.stringContaining('403 no no') });
  expect(sent).toBeLessThan(MOST_MIB);
});

test('an answer of the bound length is read, a longer one is broken off', async () => {
  let left = 100;
  const body = async function* () {
    for (; left > 0; left--) yield new TextEncoder().encode('é');
  };
  expect(await startOfText({ body: body() }, 5)).toMatch(/^éé/);
  await expect(boundedText({ body: body() }, 5)).rejects.toThrow(AnswerTooLong);
  expect(left).toBeGreaterThan(90);
  const rest = left;
  expect(await boundedText({ body: body() }, 2 * rest)).toBe('é'.repeat(rest));
});

test.each([
  ['the same page for ever', [{ uuid: 'zzzzz-4zz18-000000000000001' }]],
  ['records without a UUID', [{ name: 'a' }]],
])('a service that lists %s is not asked for ever', async (_, items) => {
  await using server = await startKeepServer(() => ({ status: 200, body: JSON.stringify({ items }) }));
  const api = createApi({ apiUrl: server.url, token: 't', insecure: false });
  await expect(listAll(api, 'collections')).rejects.toThrow('no list by UUID');
  api.close();
  expect(server.seen.length).toBeLessThanOrEqual(2);
});
