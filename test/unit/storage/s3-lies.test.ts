import { describe, expect, test, vi } from 'vitest';
import { S3Failure } from '../../../src/storage/s3-client.ts';
import { createS3ObjectStore } from '../../../src/storage/s3-object-store.ts';
import { type Behaviour, type KeepServer, startKeepServer } from '../../support/keep-server.ts';

/** A server that speaks S3 but is broken, or means harm. */

const storeAt = ({ url: endpoint }: KeepServer) =>
  createS3ObjectStore({
    kind: 'S3',
    endpoint,
    region: 'zz',
    bucket: 'keep',
    usePathStyle: true,
    accessKeyId: '',
    secretAccessKey: '',
  });
const page = (inside: string) => `<ListBucketResult>${inside}</ListBucketResult>`;
const says =
  (status: number, body: string, headers: Record<string, string> = {}): Behaviour =>
  () => ({ status, headers, body });

describe('a listing is an error, and no end', () => {
  test.each([
    ['that is longer than any page', `${' '.repeat(9 * 1024 * 1024)}${page('<IsTruncated>false</IsTruncated>')}`],
    [
      'that leads back to where it was',
      page('<IsTruncated>true</IsTruncated><NextContinuationToken>here</NextContinuationToken>'),
    ],
  ])('%s', async (_, body) => {
    await using server = await startKeepServer(says(200, body));
    const listed = storeAt(server).list({ prefix: '', cursor: 'here' });
    await expect(listed).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test.each([
  ['a code as long as a book', `<Error><Code>${'x'.repeat(10_000)}</Code></Error>`],
  ['a sentence for a code', '<Error><Code>go away\n</Code></Error>'],
  ['a sentence in place of a document', '<Error>go away'],
])('of %s nothing is kept', async (_, body) => {
  await using server = await startKeepServer(says(403, body));
  const failed = await storeAt(server)
    .get('x')
    .catch((error: { cause: S3Failure }) => error.cause);
  expect(failed).toBeInstanceOf(S3Failure);
  expect(failed).toMatchObject({ status: 403, s3Code: 'unknown' });
});

test.each([
  ['another range', 206, { 'Content-Range': 'bytes 0-3/100' }],
  ['a range that it does not name', 206, {}],
  ['the whole', 200, {}],
])('%s in place of the range that was asked for is not taken', async (_, status, headers) => {
  const about = { 'Last-Modified': new Date(0).toUTCString(), ETag: '"x"', ...headers };
  await using server = await startKeepServer(says(status, 'abcd', about));
  const store = storeAt(server);
  await expect(store.get('x', { range: { offset: 8, length: 4 } })).rejects.toMatchObject({ code: 'unavailable' });
  server.behave(says(206, 'abcd', { ...about, 'Content-Range': 'bytes 8-11/100' }));
  expect(await store.get('x', { range: { offset: 8, length: 4 } })).toMatchObject({ size: 100 });
});

test('an object without a time is not known to be old enough for anything', async () => {
  await using server = await startKeepServer(says(200, 'abcd', { ETag: '"x"' }));
  const store = storeAt(server);
  await expect(store.head('x')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(store.get('x')).rejects.toMatchObject({ code: 'unavailable' });
});

test('an upload ends whose refusal never does', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    await using server = await startKeepServer((_, response) => {
      response.writeHead(403).write('<Error>');
      return undefined;
    });
    const stored = storeAt(server).put('x', new Uint8Array(4), { size: 4 });
    const ended = expect(stored).rejects.toMatchObject({ code: 'unavailable' });
    await vi.waitFor(() => expect(server.seen).toHaveLength(1), { interval: 10 });
    const ticking = setInterval(() => vi.advanceTimersByTime(10_000), 20);
    await ended.finally(() => clearInterval(ticking));
  } finally {
    vi.useRealTimers();
  }
});
