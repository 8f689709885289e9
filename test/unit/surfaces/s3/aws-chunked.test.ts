import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ChunkEvent, ChunkParser } from '../../../../src/surfaces/s3/aws-chunked.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const SIGNATURE = 'a'.repeat(64);

interface Parsed {
  content: string;
  isDone: boolean;
  trailers: [string, string][];
}

function parse(pieces: Uint8Array[], { isSigned = false, hasTrailers = true } = {}): Parsed | string {
  const parser = new ChunkParser({ isSigned, hasTrailers });
  let content = '';
  let trailers: [string, string][] = [];
  try {
    for (const piece of pieces) {
      for (const event of parser.push(piece) as Generator<ChunkEvent>) {
        if (event.kind === 'content') content += Buffer.from(event.bytes).toString('latin1');
        if (event.kind === 'end') trailers = [...event.trailers];
      }
    }
  } catch (error) {
    return (error as { s3?: string }).s3 ?? String(error);
  }
  return { content, isDone: parser.isDone, trailers };
}

/** Pieces of a body, cut at these places. */
function cut(body: Uint8Array, places: number[]): Uint8Array[] {
  const bounds = [
    0,
    ...[...new Set(places)].filter((at) => at < body.byteLength).sort((a, b) => a - b),
    body.byteLength,
  ];
  return bounds.slice(1).map((end, i) => body.slice(bounds[i], end));
}

function frame(chunks: string[], isSigned: boolean, trailers: [string, string][] = []): string {
  const header = (size: number) => `${size.toString(16)}${isSigned ? `;chunk-signature=${SIGNATURE}` : ''}\r\n`;
  const content = chunks.filter((chunk) => chunk !== '').map((chunk) => `${header(chunk.length)}${chunk}\r\n`);
  return `${content.join('')}${header(0)}${trailers.map(([name, value]) => `${name}:${value}\r\n`).join('')}\r\n`;
}

/** Content that looks like framing. */
const chunk = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.constantFrom(
    '0\r\n\r\n',
    '\r\n',
    `5;chunk-signature=${SIGNATURE}\r\nhello\r\n`,
    'x-amz-checksum-crc32:AAAAAA==\r\n',
  ),
);

describe('an aws-chunked body', () => {
  test('gives its content and never its framing, wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (chunks, isSigned, hasTrailers, places) => {
          const trailers: [string, string][] = hasTrailers ? [['x-amz-checksum-crc32', 'AAAAAA==']] : [];
          const pieces = cut(encode(frame(chunks, isSigned, trailers)), places);
          expect(parse(pieces, { isSigned, hasTrailers })).toEqual({
            content: chunks.join(''),
            isDone: true,
            trailers,
          });
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('is the same split at every single byte, and is not done before its last one', () => {
    const body = encode(frame(['hello', ' world'], true, [['x-amz-checksum-crc32', 'DUoRhQ==']]));
    for (let at = 0; at <= body.byteLength; at++) {
      expect(parse(cut(body, [at]), { isSigned: true })).toMatchObject({ content: 'hello world', isDone: true });
      if (at < body.byteLength) expect(parse([body.slice(0, at)], { isSigned: true })).toMatchObject({ isDone: false });
    }
  });

  test('that was changed by a byte is refused, or gives no more than was framed', () => {
    const text = frame(['hello', ' world'], false, [['x-amz-checksum-crc32', 'DUoRhQ==']]);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(255), (at, byte) => {
        const body = encode(text);
        body[at] = byte;
        const parsed = parse([body]);
        if (typeof parsed === 'string') return;
        expect(parsed.content.length).toBeLessThanOrEqual(text.length);
        if (parsed.isDone) expect(parsed.content).not.toContain('x-amz-checksum');
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['5\r\nhello0\r\n\r\n', 'InvalidRequest'],
    ['5\nhello\n0\n\n', 'InvalidRequest'],
    ['\r\n5\r\nhello\r\n0\r\n\r\n', 'InvalidRequest'],
    ['g\r\nhello\r\n0\r\n\r\n', 'InvalidRequest'],
    ['-5\r\nhello\r\n0\r\n\r\n', 'InvalidRequest'],
    ['fffffffffffffff\r\nhello', 'InvalidRequest'],
    [`${'0'.repeat(2000)}5\r\nhello\r\n0\r\n\r\n`, 'InvalidRequest'],
    [`5;chunk-signature=${SIGNATURE}\r\nhello\r\n0\r\n\r\n`, 'InvalidRequest'],
    ['5\r\nhello\r\n0\r\n\r\nmore', 'InvalidRequest'],
    ['0\r\nno colon\r\n\r\n', 'MalformedTrailerError'],
    ['0\r\na:1\r\na:2\r\n\r\n', 'MalformedTrailerError'],
    [`0\r\n${Array.from({ length: 30 }, (_, i) => `t${i}:x\r\n`).join('')}\r\n`, 'MalformedTrailerError'],
  ])('that is malformed is refused: %j', (body, code) => {
    expect(parse([encode(body)])).toBe(code);
  });

  test('without announced trailers has none', () => {
    expect(parse([encode('0\r\na:1\r\n\r\n')], { hasTrailers: false })).toBe('InvalidRequest');
  });
});
