import { describe, expect, test } from 'vitest';
import { getBlock, md5, request, type TestBlock } from '../support/keep.ts';
import { createS3Bucket, s3IsRequired, s3Secrets, s3Volume } from '../support/s3.ts';
import { bucketOn, startS3WithoutConditions } from '../support/s3-without-conditions.ts';
import { startService, type TestService } from '../support/service.ts';
import { dataKey, R2_VOLUME, r2Volume, S3_VOLUME } from '../support/volumes.ts';
import collision from '../vectors/md5-collision.json' with { type: 'json' };

/** Two blocks of one MD5: one of them may be stored, and the other must be refused, whenever it comes. */

/** The pair with the same bytes behind each; any will do. */
function pair(tail: number): [Buffer, Buffer] {
  const end = Buffer.alloc(tail, 7);
  return [
    Buffer.concat([Buffer.from(collision.first, 'hex'), end]),
    Buffer.concat([Buffer.from(collision.second, 'hex'), end]),
  ];
}

const put = (service: TestService, data: Buffer) =>
  request(`${service.url}/${md5(data)}`, { method: 'PUT', body: data });

const read = async (service: TestService, data: Buffer) => {
  const hash = md5(data);
  const block = { hash, locator: `${hash}+${data.length}`, data } as TestBlock;
  return Buffer.from((await getBlock(service.url, block)).body);
};

const isOneOf = (stored: Buffer, pair: [Buffer, Buffer], statuses: number[]) =>
  stored.equals(pair[statuses.indexOf(200)] ?? Buffer.alloc(0));

/** Bytes more than the pair's own 128: compared in memory, and too large for that. */
const TAILS = [0, 5000, 1 << 20];

describe.each(
  [
    { name: 'R2', needsS3: false },
    { name: 'a real S3 server', needsS3: true },
  ].filter(({ needsS3 }) => !needsS3 || s3IsRequired),
)('on $name', ({ needsS3 }) => {
  test('of two blocks of one MD5 put at once, one is acknowledged, and that one is read', async () => {
    const bucket = needsS3 ? await createS3Bucket() : null;
    const volumes = bucket === null ? { [R2_VOLUME]: r2Volume('BLOCKS') } : { [S3_VOLUME]: s3Volume(bucket) };
    const service = await startService({
      vars: { ...(bucket === null ? {} : s3Secrets(bucket)), VOLUMES: volumes, EDGE_CACHE: false },
    });
    try {
      for (const tail of [...TAILS, ...TAILS.map((bytes) => bytes + 1)]) {
        const blocks = pair(tail);
        const answers = await Promise.all(blocks.map((data) => put(service, data)));
        const statuses = answers.map(({ status }) => status);
        expect(statuses.toSorted(), `${tail}`).toEqual([200, 500]);
        expect(answers.find(({ status }) => status === 500)?.text).toContain('hash collision');
        expect(isOneOf(await read(service, blocks[0]), blocks, statuses)).toBe(true);
      }
    } finally {
      await service.stop();
    }
  });
});

describe.each([
  { how: 'ignores', refuses: false },
  { how: 'refuses', refuses: true },
])('on an S3 server that $how conditional writes', ({ refuses }) => {
  test('a block is read back, and is not acknowledged when another one has replaced it', async () => {
    await using s3 = await startS3WithoutConditions(refuses);
    const bucket = bucketOn(s3);
    const service = await startService({
      vars: { ...s3Secrets(bucket), VOLUMES: { [S3_VOLUME]: s3Volume(bucket) }, EDGE_CACHE: false },
    });
    try {
      for (const tail of TAILS) {
        const [mine, theirs] = pair(tail);
        const key = dataKey(md5(mine));
        // A keepstore that writes at the same moment, without a look at what is there.
        s3.onStored = (stored) => {
          if (stored !== key) return;
          s3.onStored = () => undefined;
          s3.objects.set(key, theirs);
        };
        const overtaken = await put(service, mine);
        expect([tail, overtaken.status]).toEqual([tail, tail > 1_000_000 ? 503 : 500]);
        expect((await put(service, mine)).status).toBe(500);
        expect((await put(service, theirs)).status).toBe(200);
        s3.objects.delete(key);
        expect((await put(service, mine)).status).toBe(200);
        expect((await read(service, mine)).equals(mine)).toBe(true);
      }
      expect([...s3.objects.keys()].filter((key) => key.startsWith('unnamed/'))).toEqual([]);
    } finally {
      await service.stop();
    }
  });

  test('a damaged copy of a small block is replaced, a good one stays, and wrong bytes count against neither', async () => {
    await using s3 = await startS3WithoutConditions(refuses);
    const bucket = bucketOn(s3);
    const service = await startService({
      vars: { ...s3Secrets(bucket), VOLUMES: { [S3_VOLUME]: s3Volume(bucket) }, EDGE_CACHE: false },
    });
    try {
      const data = Buffer.from('a small block');
      const wrong = Buffer.from('A small block');
      const key = dataKey(md5(data));
      const putAs = async (body: Buffer) =>
        (await request(`${service.url}/${md5(data)}`, { method: 'PUT', body })).status;
      for (const there of [undefined, wrong, Buffer.from('cut')]) {
        s3.objects.delete(key);
        if (there !== undefined) s3.objects.set(key, there);
        expect(await putAs(wrong)).toBe(400);
        expect(s3.objects.get(key)).toEqual(there);
        expect(await putAs(data)).toBe(200);
        expect(s3.objects.get(key)).toEqual(data);
      }
      let stored = 0;
      s3.onStored = (name) => void (name === key && stored++);
      expect([await putAs(wrong), await putAs(data)]).toEqual([400, 200]);
      expect(stored).toBe(0);
    } finally {
      await service.stop();
    }
  });
});
