import { describe, expect, test } from 'vitest';
import { md5Hex } from '../../../src/keep/md5.ts';
import type { Sink } from '../../../src/streams/fan-out.ts';
import { PIECE_BYTES, type Pieces, piecesOf } from '../../../src/streams/pieces.ts';
import { drain, verifiedPieces } from '../../../src/streams/verify.ts';

const data = Uint8Array.from({ length: 2 * PIECE_BYTES + 7 }, (_, i) => (i * 31 + (i >> 8)) % 251);
const hash = md5Hex(data);
const size = data.length;
const source = (bytes: Uint8Array) => piecesOf(new Response(bytes).body as ReadableStream<Uint8Array>);

/** Everything that is given out before the pieces end or break off. */
async function takeAll(pieces: Pieces) {
  let given = 0;
  try {
    for (let piece = await pieces.next(); piece !== null; piece = await pieces.next(piece)) given += piece.byteLength;
    return { given, error: null };
  } catch (error) {
    return { given, error };
  }
}

/** A place for a copy that notes what became of it. */
function copy({ required = false, failAfter = Number.POSITIVE_INFINITY } = {}) {
  const seen = { bytes: 0, end: '' };
  const writable = new WritableStream<Uint8Array>({
    write(piece) {
      seen.bytes += piece.byteLength;
      if (seen.bytes > failAfter) throw new Error('the copy failed');
    },
    abort() {
      seen.end = 'aborted';
    },
  });
  const sink: Sink = { writable, required, onClosed: () => Object.assign(seen, { end: 'closed' }) };
  return { sink, seen };
}

describe('a block that is verified on its way', () => {
  test('comes out whole with its copies', async () => {
    const { sink, seen } = copy();
    expect(await takeAll(verifiedPieces(source(data), { hash, size }, [sink]))).toEqual({ given: size, error: null });
    expect(seen).toEqual({ bytes: size, end: 'closed' });
  });

  const flipped = data.slice();
  flipped[size - 1] = (flipped[size - 1] ?? 0) ^ 1;
  test.each([
    ['with a wrong bit', flipped, hash],
    ['that ends early', data.subarray(0, size - 1), hash],
    ['that ends early by whole pieces', data.subarray(0, PIECE_BYTES), hash],
    ['that is too long', new Uint8Array([...data, 0]), hash],
    ['that is too long by whole pieces', new Uint8Array(4 * PIECE_BYTES), hash],
    ['that is too short, though somebody else vouches for the bytes', data.subarray(0, size - 1), null],
    ['that is too long, though somebody else vouches for the bytes', new Uint8Array([...data, 0]), null],
  ])('is never complete as one %s, and neither is a copy', async (_, bytes, expected) => {
    const { sink, seen } = copy();
    const { given, error } = await takeAll(verifiedPieces(source(bytes), { hash: expected, size }, [sink]));
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(given).toBeLessThan(size);
    expect(seen.end).toBe('aborted');
  });

  test('is not held up by a copy that fails', async () => {
    const lame = copy({ failAfter: 10 });
    const good = copy();
    const pieces = verifiedPieces(source(data), { hash, size }, [lame.sink, good.sink]);
    expect(await takeAll(pieces)).toEqual({ given: size, error: null });
    expect(good.seen.end).toBe('closed');
    expect(lame.seen.end).toBe('');
  });

  test('breaks off with a copy that is required', async () => {
    const { sink } = copy({ required: true, failAfter: 10 });
    await expect(drain(verifiedPieces(source(data), { hash, size }, [sink]))).rejects.toThrow('the copy failed');
  });
});
