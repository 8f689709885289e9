import { expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import type { TransferWatch } from '../../../src/services/transfer-limits.ts';
import { createWorkerPlatform } from '../../../src/services/worker-platform.ts';
import type { Sink } from '../../../src/streams/fan-out.ts';
import { bodyOf, flipped } from '../support/bytes.ts';

/** What a watch was told. */
const spyWatch = () => {
  const told = { bytes: 0, calls: [] as string[] };
  const watch: TransferWatch = {
    progress: (bytes) => {
      told.bytes += bytes;
    },
    pause: () => void told.calls.push('pause'),
    resume: () => void told.calls.push('resume'),
    stop: () => void told.calls.push('stop'),
  };
  return { told, watch };
};
/** Keeps blocks as the edge cache does: small ones whole, others from a stream that must be closed to count. */
const spyKeeper = () => {
  const kept: Record<string, number> = {};
  const keeper = {
    put: (hash: string, bytes: Uint8Array) => {
      kept[hash] = bytes.byteLength;
    },
    fill(hash: string): Sink {
      let bytes = 0;
      const writable = new WritableStream<Uint8Array>({
        write: (chunk) => {
          bytes += chunk.byteLength;
        },
        close: () => {
          kept[hash] = bytes;
        },
      });
      return { writable, required: false };
    },
  };
  return { kept, keeper };
};
const blockOf = (size: number) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 4096) bytes[at] = at % 251;
  return { bytes, hash: md5Hex(bytes), size };
};

test.each([0, 1, 262_144, 262_145, 3_000_000])(
  'a block of %i bytes passes whole, is kept, and ends the watch',
  async (size) => {
    const { bytes, hash } = blockOf(size);
    const { told, watch } = spyWatch();
    const { kept, keeper } = spyKeeper();
    const checked = await createWorkerPlatform(keeper).checkBody(bodyOf(bytes), { hash, size }, watch);
    const received = new Uint8Array(await new Response(checked.body).arrayBuffer());
    await checked.done;
    expect(md5Hex(received)).toBe(hash);
    expect(kept).toEqual({ [hash]: size });
    expect(told.bytes).toBe(size);
    expect(told.calls.at(-1)).toBe('stop');
  },
);

test.each([1, 262_144])(
  'a small block of %i bytes that is wrong is refused before anything is given out',
  async (size) => {
    const { bytes, hash } = blockOf(size);
    const { told, watch } = spyWatch();
    const { kept, keeper } = spyKeeper();
    const checking = createWorkerPlatform(keeper).checkBody(
      bodyOf(flipped(bytes, bytes.length - 1)),
      { hash, size },
      watch,
    );
    await expect(checking).rejects.toMatchObject({ code: 'corrupt' });
    expect([kept, told.calls.at(-1)]).toEqual([{}, 'stop']);
  },
);

test('a large block that is wrong is never complete, and never kept', async () => {
  const { bytes, hash, size } = blockOf(3_000_000);
  const { told, watch } = spyWatch();
  const { kept, keeper } = spyKeeper();
  const { body, done } = await createWorkerPlatform(keeper).checkBody(
    bodyOf(flipped(bytes, bytes.length - 1)),
    { hash, size },
    watch,
  );
  await expect(new Response(body).arrayBuffer()).rejects.toThrow();
  await expect(done).rejects.toMatchObject({ code: 'corrupt' });
  expect([kept, told.calls.at(-1)]).toEqual([{}, 'stop']);
});

test.each([-1, 1])('a body %i byte off its length is refused', async (off) => {
  const { bytes, hash } = blockOf(1000);
  const { watch } = spyWatch();
  const checking = createWorkerPlatform(null).checkBody(bodyOf(bytes), { hash, size: 1000 + off }, watch);
  await expect(checking).rejects.toMatchObject({ code: 'corrupt' });
});

test('a body of unknown length is not begun', async () => {
  const { watch } = spyWatch();
  const checking = createWorkerPlatform(null).checkBody(bodyOf(new Uint8Array(1)), { hash: 'x', size: null }, watch);
  await expect(checking).rejects.toMatchObject({ code: 'corrupt' });
});

test('while the reader takes its time the watch is paused', async () => {
  const { bytes, hash, size } = blockOf(5_000_000);
  const { told, watch } = spyWatch();
  const { body } = await createWorkerPlatform(null).checkBody(bodyOf(bytes), { hash, size }, watch);
  const reader = body.getReader();
  await reader.read();
  expect(told.calls.filter((call) => call !== 'stop').at(-1)).toBe('pause');
  expect(told.bytes).toBeLessThan(size);
  await reader.cancel();
});

test('MD5 is the platform’s', async () => {
  expect(await createWorkerPlatform(null).md5(new Uint8Array(0))).toBe('d41d8cd98f00b204e9800998ecf8427e');
});
