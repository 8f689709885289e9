import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BlockAt, openCheckState } from '../../../src/cli/check/check-state.ts';
import { createHashSet } from '../../../src/cli/check/hash-set.ts';
import { judgeFailure } from '../../../src/cli/check/judge-failure.ts';
import { createSample } from '../../../src/cli/check/sample.ts';
import { KeepError } from '../../../src/keep/errors.ts';
import { readError } from '../../../src/services/services-error.ts';

const COLLECTION = 'xedge-4zz18-000000000000000';
const hashOf = (n: number) => createHash('md5').update(String(n)).digest('hex');

test('a check that was killed in the middle of a line goes on with all lines before it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keep-edge-check-'));
  const path = join(directory, 'state.jsonl');
  const seen: BlockAt[] = [];
  const open = () => openCheckState(path, { resume: true, onBlock: (block) => seen.push(block) });
  const first = await open();
  first.block({ hash: hashOf(1), size: 3, collection: COLLECTION }, false);
  first.block({ hash: hashOf(1), size: 3, collection: COLLECTION }, true);
  first.loss({ locator: `${hashOf(2)}+4`, collection: COLLECTION, what: 'no service has it' });
  first.collection(COLLECTION);
  first.close();
  appendFileSync(path, '["b","acbd18');
  const second = await open();
  second.block({ hash: hashOf(3), size: 5, collection: COLLECTION }, false);
  second.close();
  const third = await open();
  third.close();
  rmSync(directory, { recursive: true });
  expect(third.counts).toEqual({ collections: 1, blocks: 2, bytes: 8, read: 1, lost: 1 });
  expect([third.hasCollection(COLLECTION), third.hasBlock(hashOf(3)), third.hasBlock(hashOf(4))]).toEqual([
    true,
    true,
    false,
  ]);
  expect([third.begunAt, third.before]).toEqual([first.begunAt, 2]);
  // Blocks of earlier runs may be in the sample, too.
  expect(seen.map(({ hash }) => hash)).toContain(hashOf(1));
});

test('a lost block counts once, also after an interruption, and is not in the sample', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keep-edge-check-'));
  const path = join(directory, 'state.jsonl');
  const seen: BlockAt[] = [];
  const open = () => openCheckState(path, { resume: true, onBlock: (block) => seen.push(block) });
  const lost = { locator: `${hashOf(1)}+3`, collection: COLLECTION, what: 'no service has it' };
  const first = await open();
  first.loss(lost);
  first.block({ hash: hashOf(1), size: 3, collection: COLLECTION }, false);
  first.loss(lost);
  first.close();
  const second = await open();
  second.loss(lost);
  second.close();
  rmSync(directory, { recursive: true });
  expect([first.counts.lost, second.counts.lost, second.lost, seen]).toEqual([1, 1, [lost], []]);
});

test('a set of hashes knows what was added to it, and nothing else, while it grows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 300 }), (numbers) => {
      const set = createHashSet();
      const model = new Set<string>();
      for (const hash of numbers.map(hashOf)) {
        expect(set.add(hash)).toBe(!model.has(hash));
        model.add(hash);
      }
      for (let n = 0; n <= 5000; n += 7) expect(set.has(hashOf(n))).toBe(model.has(hashOf(n)));
    }),
    { numRuns: 20 },
  );
  const large = createHashSet();
  for (let n = 1; n <= 100_000; n++) large.add(hashOf(n));
  expect([large.has(hashOf(1)), large.has(hashOf(100_000)), large.has(hashOf(100_001))]).toEqual([true, true, false]);
});

test('a block counts as lost only when every service says that it has nothing, or something wrong', () => {
  const answer = (status: number | null, reason = '') => ({ url: 'http://x', status, reason, mayPass: false });
  const judge = (...answers: ReturnType<typeof answer>[]) => judgeFailure(readError(answers));
  expect(judge(answer(404), answer(410))).toBe('missing');
  expect(judge(answer(404), answer(502, 'checksum mismatch in stored data'))).toBe('wrong');
  expect(judge(answer(null, 'checksum mismatch'))).toBe('wrong');
  expect(judge(answer(404), answer(503))).toBe('not reached');
  expect(judge(answer(404), answer(null, 'connect ECONNREFUSED'))).toBe('not reached');
  expect(judge(answer(403))).toBe('not reached');
  expect(judge(answer(502, 'the upstream service failed'))).toBe('not reached');
  expect(judge()).toBe('not reached');
  expect(judgeFailure(new KeepError('corrupt'))).toBe('wrong');
  expect(judgeFailure(new Error('socket hang up'))).toBe('not reached');
});

test('each item of a stream has the same chance to be in a sample', () => {
  const counts = new Array<number>(10).fill(0);
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let run = 0; run < 4000; run++) {
    const sample = createSample<number>(3, random);
    for (let n = 0; n < 10; n++) sample.add(n);
    for (const n of sample.items()) counts[n] = (counts[n] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1200)).toBeLessThan(150);
});
