import { afterEach, describe, expect, test, vi } from 'vitest';
import { S3Failure } from '../../../src/storage/s3-client.ts';
import { createS3ObjectStore } from '../../../src/storage/s3-object-store.ts';

/** A server that speaks S3 but is broken, or means harm. */

const STORE = createS3ObjectStore({
  kind: 'S3',
  endpoint: 'https://s3.example',
  region: 'zz',
  bucket: 'keep',
  usePathStyle: true,
  accessKeyId: '',
  secretAccessKey: '',
});
const page = (inside: string) => `<ListBucketResult>${inside}</ListBucketResult>`;

/** What each request is answered with. */
function says(status: number, body: BodyInit | null, headers: Record<string, string> = {}): void {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status, headers })));
}
afterEach(() => vi.unstubAllGlobals());

describe('a listing is an error, and no end', () => {
  test.each([
    ['that is longer than any page', `${' '.repeat(9 * 1024 * 1024)}${page('<IsTruncated>false</IsTruncated>')}`],
    [
      'that leads back to where it was',
      page('<IsTruncated>true</IsTruncated><NextContinuationToken>here</NextContinuationToken>'),
    ],
  ])('%s', async (_, body) => {
    says(200, body);
    await expect(STORE.list({ prefix: '', cursor: 'here' })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test.each([
  ['a code as long as a book', `<Error><Code>${'x'.repeat(10_000)}</Code></Error>`],
  ['a sentence for a code', '<Error><Code>go away\n</Code></Error>'],
  ['a sentence in place of a document', '<Error>go away'],
])('of %s nothing is kept', async (_, body) => {
  says(403, body);
  const failed = await STORE.get('x').catch((error: { cause: S3Failure }) => error.cause);
  expect(failed).toBeInstanceOf(S3Failure);
  expect(failed).toMatchObject({ status: 403, s3Code: 'unknown' });
});

const ABOUT = { 'Last-Modified': new Date(0).toUTCString(), ETag: '"x"' };

test.each([
  ['another range', 206, { 'Content-Range': 'bytes 0-3/100' }],
  ['a range that it does not name', 206, {}],
  ['the whole', 200, {}],
])('%s in place of the range that was asked for is not taken', async (_, status, headers) => {
  says(status, 'abcd', { ...ABOUT, ...headers });
  const range = { offset: 8, length: 4 };
  await expect(STORE.get('x', { range })).rejects.toMatchObject({ code: 'unavailable' });
  says(206, 'abcd', { ...ABOUT, 'Content-Range': 'bytes 8-11/100' });
  expect(await STORE.get('x', { range })).toMatchObject({ size: 100 });
});

test('an object without a time is not known to be old enough for anything', async () => {
  says(200, 'abcd', { ETag: '"x"', 'Content-Length': '4' });
  await expect(STORE.head('x')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(STORE.get('x')).rejects.toMatchObject({ code: 'unavailable' });
});

test('an upload ends whose refusal never does', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    vi.stubGlobal('fetch', async (_: string, { signal }: RequestInit) => {
      const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
        controller.enqueue(new TextEncoder().encode('<Error>'));
        signal?.addEventListener('abort', () => controller.error(signal.reason));
      };
      return new Response(new ReadableStream({ start }), { status: 403 });
    });
    const stored = STORE.put('x', new Blob(['abcd']).stream(), { size: 4 });
    await Promise.all([
      expect(stored).rejects.toMatchObject({ code: 'unavailable' }),
      vi.advanceTimersByTimeAsync(60_000),
    ]);
  } finally {
    vi.useRealTimers();
  }
});
