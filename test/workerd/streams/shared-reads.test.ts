import { describe, expect, test } from 'vitest';
import { concatenate } from '../../../src/streams/concat.ts';
import { createHeldBudget } from '../../../src/streams/held-budget.ts';
import type { Part, SegmentSource } from '../../../src/streams/part.ts';
import { pipeChunks } from '../../../src/streams/pipe-chunks.ts';
import { shareReads } from '../../../src/streams/shared-reads.ts';

const never = new AbortController().signal;
const BLOCK = 1 << 20;

/** Blocks of bytes that tell block and offset apart, in a store that counts its reads. */
function store(options: { piped?: boolean; corrupt?: number } = {}) {
  const reads: string[] = [];
  const contents = new Map<number, Uint8Array>();
  const contentOf = (block: number) => {
    const known = contents.get(block) ?? new Uint8Array(BLOCK).map((_, i) => (i * 31 + (i >> 8) + block * 7) & 0xff);
    contents.set(block, known);
    return known;
  };
  const source: SegmentSource = {
    keyOf: (block) => `block ${block % 1000}`,
    async open(block, { offset, length }) {
      reads.push(`${block % 1000}:${offset}+${length}`);
      const bytes = contentOf(block % 1000).slice(offset, offset + length);
      const ends = options.corrupt === block % 1000 ? bytes.slice(0, -1) : bytes;
      const body = new Response(ends).body as ReadableStream<Uint8Array>;
      return options.piped ? pipeChunks(body) : body;
    },
  };
  return { source, reads, contentOf };
}

type Segment = [block: number, offset: number, length: number];

function partsOf(source: SegmentSource, segments: (Segment | string)[]): () => Iterable<Part> {
  return function* replay() {
    for (const segment of segments) {
      if (typeof segment === 'string') {
        yield new TextEncoder().encode(segment);
        continue;
      }
      const [block, offset, length] = segment;
      const open = (signal: AbortSignal) => source.open(block, { offset, length }, signal);
      yield { length, open, segment: { source, block, offset, length } };
    }
  };
}

async function send(at: ReturnType<typeof store>, segments: (Segment | string)[]) {
  const expected = Buffer.concat(
    segments.map((segment) =>
      typeof segment === 'string'
        ? Buffer.from(segment)
        : at.contentOf(segment[0] % 1000).subarray(segment[1], segment[1] + segment[2]),
    ),
  );
  const shared = shareReads(partsOf(at.source, segments));
  const { body, done } = concatenate(shared.parts, expected.length, never);
  const bytes = Buffer.from(await new Response(body).arrayBuffer());
  await done.finally(shared.end);
  expect(bytes.equals(expected)).toBe(true);
  return at.reads;
}

describe('parts of one answer', () => {
  test.each([
    ['native streams', {}],
    ['bodies that script moves', { piped: true }],
  ])('out of one block are read once, in the order of their offsets: %s', async (_, options) => {
    const small = Array.from({ length: 2001 }, (__, i): Segment => [0, i * 100, 100]);
    expect(
      await send(
        store(options),
        small.flatMap((segment) => ['header', segment]),
      ),
    ).toEqual(['0:0+200100']);
    // With gaps, and long enough to be piped.
    const long: Segment[] = [
      [1, 10, 300_000],
      [1, 300_050, 200],
      [1, 400_000, 500_000],
    ];
    expect(await send(store(options), long)).toEqual(['1:10+899990']);
  });

  test('are read once in any order, and when they overlap', async () => {
    const scattered = Array.from({ length: 1000 }, (_, i): Segment => [0, ((i * 617) % 1000) * 1000, 900]);
    expect((await send(store(), scattered)).length).toBe(1);
    const overlapping = Array.from({ length: 50 }, (_, i): Segment => [0, 50_000 - i * 1000, 500_000]);
    expect((await send(store(), overlapping)).length).toBe(1);
  });

  test('out of several blocks cost one read for each block, however they alternate', async () => {
    const alternating = Array.from({ length: 300 }, (_, i): Segment => [i % 3, Math.floor(i / 3) * 5000, 4000]);
    expect((await send(store(), alternating)).length).toBe(3);
    const many = Array.from({ length: 3000 }, (_, i): Segment => [(i * 7) % 12, Math.floor(i / 12) * 300, 250]);
    expect((await send(store(), many)).length).toBe(12);
  });

  test('in order over more than is planned at once cost one read for each block', async () => {
    // 140 MB: what is planned together ends twice in the middle of a block.
    const segments = Array.from({ length: 1400 }, (_, i): Segment => [Math.floor(i / 10), (i % 10) * 100_000, 100_000]);
    expect((await send(store(), segments)).length).toBe(140);
  });

  test('out of a block that the manifest lists twice are out of one block', async () => {
    expect(
      (
        await send(store(), [
          [0, 0, 10],
          [1000, 20, 10],
          [2000, 40, 10],
        ])
      ).length,
    ).toBe(1);
  });

  test('that are far apart, or alone in their block, are read by themselves', async () => {
    expect(
      await send(store(), [
        [0, 5, 10],
        [1, 0, BLOCK],
        [2, 7, 70],
      ]),
    ).toEqual(['0:5+10', `1:0+${BLOCK}`, '2:7+70']);
    const far = 20 << 20;
    const at = store();
    at.contentOf(0);
    const shared = shareReads(
      partsOf({ ...at.source, open: async (_, { length }) => new Response(new Uint8Array(length)).body! }, [
        [0, 0, 5],
        [0, far, 5],
      ]),
    );
    const opened: number[] = [];
    for (const part of shared.parts) if (!(part instanceof Uint8Array)) opened.push(part.length);
    expect(opened).toEqual([5, 5]);
  });

  test('in scattered order cost one read for each block and 48 MiB', async () => {
    // 120 MiB out of two blocks, backwards, each byte of them many times.
    const segments = Array.from({ length: 120 }, (_, i): Segment => [i % 2, (i % 60) * 1000, 900_000]);
    const reads = await send(store(), segments);
    expect(reads.length).toBeLessThanOrEqual(6);
  });

  test('break off when a shared read is short', async () => {
    const at = store({ corrupt: 0 });
    const shared = shareReads(
      partsOf(at.source, [
        [0, 0, 100],
        [0, 100, 100],
      ]),
    );
    const { body, done } = concatenate(shared.parts, 200, never);
    await expect(new Response(body).arrayBuffer()).rejects.toThrow();
    await expect(done).rejects.toMatchObject({ code: 'corrupt' });
    shared.end();
  });
});

describe('memory of plans', () => {
  /** Two segments in each of many blocks, far apart in the answer: each pair is a read that is held. */
  const pairs = (count: number) =>
    Array.from({ length: 2 * count }, (_, i): Segment => [i % count, i < count ? 500 : 0, 10]);

  test('is counted, shared among answers, and there again when they have ended', async () => {
    const budget = createHeldBudget();
    const at = store();
    const replay = partsOf({ ...at.source, keyOf: (block) => `block ${block}` }, pairs(20_000));
    const begin = async () => {
      const held = budget.reserve();
      const shared = shareReads(replay, held);
      const [first] = shared.parts;
      if (first instanceof Uint8Array || first === undefined) throw new Error('no part');
      const opened = await first.open(never);
      if (!(opened instanceof Uint8Array)) await opened.cancel();
      return shared;
    };
    const free = () => budget.reserve().available();
    const all = free();
    const first = await begin();
    const left = free();
    expect(all - left).toBeGreaterThan(10 * BLOCK);
    const others = [];
    for (let i = 0; i < 20; i++) others.push(await begin());
    const least = free();
    expect(least).toBeGreaterThanOrEqual(0);
    const more = await begin();
    expect(least - free()).toBeLessThan(BLOCK / 2);
    for (const { end } of [first, more, ...others]) end();
    expect(free()).toBe(all);
  });

  test('counts what streams read ahead, and short ranges of a block are held in one buffer', async () => {
    const at = store();
    const ofReads = async (segments: Segment[]) => {
      const set: number[] = [];
      const held = { available: () => 48 * BLOCK, set: (bytes: number) => set.push(bytes), release: () => undefined };
      const shared = shareReads(partsOf(at.source, segments), held);
      const opened: unknown[] = [];
      for (const part of shared.parts) if (!(part instanceof Uint8Array)) opened.push(await part.open(never));
      shared.end();
      return { most: Math.max(...set), opened };
    };
    const inOrder = Array.from({ length: 100 }, (_, i): Segment => [0, i * 10_000, 9]);
    expect((await ofReads(inOrder)).most).toBeGreaterThan(BLOCK / 2);
    const { opened } = await ofReads(inOrder.toReversed());
    expect(new Set(opened.map((bytes) => (bytes as Uint8Array).buffer)).size).toBe(1);
  });

  test('is so little while others hold all there is that every answer is sent, if in more reads', async () => {
    const none = { available: () => 0, set: () => undefined, release: () => undefined };
    const at = store();
    const segments = Array.from({ length: 3000 }, (_, i): Segment => [i % 12, ((i * 617) % 3000) * 300, 250]);
    const expected = Buffer.concat(
      segments.map(([block, from, length]) => Buffer.from(at.contentOf(block).subarray(from, from + length))),
    );
    const shared = shareReads(partsOf(at.source, segments), none);
    const { body } = concatenate(shared.parts, expected.length, never);
    expect(Buffer.from(await new Response(body).arrayBuffer()).equals(expected)).toBe(true);
    expect(at.reads.length).toBeLessThan(500);
  });
});

describe('the memory that answers share', () => {
  test('is refused to what needs more than is left, and never to what is small', () => {
    const budget = createHeldBudget();
    const answers = Array.from({ length: 6 }, () => budget.reserve());
    for (const answer of answers.slice(0, 5)) answer.require(9 * BLOCK);
    const [first, , , , , last] = answers;
    expect(() => last?.require(9 * BLOCK)).toThrow(expect.objectContaining({ code: 'unavailable', status: 503 }));
    last?.require(BLOCK / 16);
    first?.release();
    last?.require(9 * BLOCK);
    expect(budget.reserve().available()).toBeLessThan(4 * BLOCK);
  });

  test('is bounded for all kinds of requests together, and each has some that others cannot take', () => {
    const all = { most: 64 * BLOCK, total: 0 };
    const [readers, writers] = [createHeldBudget(48 * BLOCK, all), createHeldBudget(24 * BLOCK, all)];
    const [reader, writer] = [readers.reserve(), writers.reserve()];
    const before = reader.available();
    reader.set(before);
    expect(before).toBe(48 * BLOCK);
    expect(writer.available()).toBe(16 * BLOCK);
    writer.require(16 * BLOCK);
    expect(() => writers.reserve().require(BLOCK)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    writers.reserve().require(BLOCK / 16);
    reader.release();
    writers.reserve().require(7 * BLOCK);
    expect(writers.reserve().available()).toBeLessThan(BLOCK);
    expect(readers.reserve().available()).toBeGreaterThan(40 * BLOCK - BLOCK);
  });

  test('is free again when a request that held it was killed', async () => {
    const budget = createHeldBudget();
    const hold = () => budget.reserve().require(40 * BLOCK);
    hold();
    await expect
      .poll(
        async () => {
          // Garbage makes the engine collect.
          Array.from({ length: 300_000 }, (_, i) => ({ i }));
          await scheduler.wait(5);
          return budget.reserve().available();
        },
        { timeout: 20_000 },
      )
      .toBe(48 * BLOCK);
  });
});
