import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, createUser } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { md5, request } from '../support/keep.ts';
import { type S3Request, s3Keys, s3Request } from '../support/s3-client.ts';
import { startService, type TestService } from '../support/service.ts';

/** Commits, and uploads that are completed, of which the service is killed in the middle. `KILLS=50` for more of them. */

const KILLS = Number(process.env.KILLS ?? 5);
const WRITERS = 12;

let service: TestService;

beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

test(
  'SIGKILL while writers commit loses nothing that one was told, and leaves a whole revision',
  async () => {
    const { uuid } = await createCollection(service, '');
    const acknowledged = new Map<string, string>();
    const attempted = new Map<string, Set<string>>();
    let revision = 0;
    for (let round = 0; round < KILLS; round++) {
      let isOver = false;
      const writers = Array.from({ length: WRITERS }, async (_, writer) => {
        for (let n = 0; !isOver; n++) {
          const name = `w${writer}-${n % 7}`;
          const content = `${round} ${writer} ${n}`;
          attempted.set(name, (attempted.get(name) ?? new Set()).add(content));
          const answer = await request(`${service.url}/c=${uuid}/${name}`, { method: 'PUT', body: content }).catch(
            () => null,
          );
          if (answer === null) return;
          expect([201, 204]).toContain(answer.status);
          acknowledged.set(name, content);
        }
      });
      await setTimeout(100 + ((round * 97) % 500));
      // A busy machine may have told no one yet: the first kill comes all the same, the others have something to lose.
      while (round > 0 && acknowledged.size === 0) await setTimeout(10);
      const restarted = service.restart();
      await Promise.race(writers);
      isOver = true;
      await Promise.all([...writers, restarted]);
      const { json } = await api(service, `collections/${uuid}`);
      expect(Number(json.etag)).toBeGreaterThanOrEqual(revision);
      revision = Number(json.etag);
      const unsigned = (json.manifest_text as string).replace(/\+A[0-9a-f]+@[0-9a-f]+/g, '');
      expect(json.portable_data_hash).toBe(`${md5(unsigned)}+${Buffer.byteLength(unsigned)}`);
      for (const [name, content] of acknowledged) {
        const found = await request(`${service.url}/c=${uuid}/${name}`);
        expect([name, found.status]).toEqual([name, 200]);
        // What a writer was told, or what the same writer sent after it and was not told of.
        const later = [...(attempted.get(name) ?? [])];
        expect(later.indexOf(found.text)).toBeGreaterThanOrEqual(later.indexOf(content));
        acknowledged.set(name, found.text);
      }
    }
    expect(acknowledged.size).toBeGreaterThan(0);
  },
  60_000 + KILLS * 20_000,
);

test(
  'SIGKILL while an upload in parts is completed leaves the old object or the whole new one, and it is completed by asking again',
  async () => {
    const ann = await createUser(service, 'ann');
    const keys = await s3Keys(service, ann.token);
    const { uuid } = await createCollection(service, '', { owner_uuid: ann.uuid });
    const s3 = (key: string, options: S3Request = {}) => s3Request(service, `/${uuid}/${key}`, { keys, ...options });
    let old = Buffer.from('old');
    await s3('multi', { method: 'PUT', body: old });
    for (let round = 0; round < Math.ceil(KILLS / 2); round++) {
      const id = /<UploadId>(.*)<\/UploadId>/.exec((await s3('multi?uploads', { method: 'POST' })).text)?.[1];
      const parts = [100_000, 1, 50_000 + round].map((size) => randomBytes(size));
      const etags = await Promise.all(
        parts.map(async (body, i) => {
          const answer = await s3(`multi?uploadId=${id}&partNumber=${i + 1}`, { method: 'PUT', body });
          return answer.headers.get('etag') ?? '';
        }),
      );
      const list = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
      const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
      const complete = () => s3(`multi?uploadId=${id}`, { method: 'POST', body });
      const told = complete().then(
        ({ status }) => status,
        () => null,
      );
      // From before it gets there to after it was answered.
      await setTimeout((round * 17) % 60);
      await service.restart();
      const whole = Buffer.concat(parts);
      const found = (await s3('multi')).body;
      expect([old, whole].some((one) => one.equals(found))).toBe(true);
      if ((await told) === 200) expect(whole.equals(found)).toBe(true);
      const again = await complete();
      expect([again.status, again.code]).toEqual([200, '']);
      const now = await s3('multi');
      expect(whole.equals(now.body)).toBe(true);
      expect(again.text).toContain(now.headers.get('etag')?.replaceAll('"', '&#34;') ?? 'an ETag');
      expect((await s3(`multi?uploadId=${id}`)).code).toBe('NoSuchUpload');
      old = whole;
    }
  },
  60_000 + KILLS * 20_000,
);
