import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { createCollection } from '../support/collections.ts';
import { md5, request } from '../support/keep.ts';
import { startService, type TestService } from '../support/service.ts';

/** Commits of which the service is killed in the middle. `KILLS=50` for more of them. */

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
