import { bytesToHex } from '@noble/hashes/utils.js';
import { describe, expect, test } from 'vitest';
import type { ByteSource } from '../../../../src/blocks/byte-source.ts';
import { chunkedSource } from '../../../../src/surfaces/s3/chunked-source.ts';
import {
  ALGORITHM,
  EMPTY_SHA256,
  signingKeyOf,
  signText,
  type VerifiedSignature,
} from '../../../../src/surfaces/s3/signature.ts';

/** Bodies whose chunks, and trailers, are signed: verified with the runtime's digests. */

const SCOPE = '20260131/us-east-1/s3/aws4_request';
const SIGNED: VerifiedSignature = {
  kind: 'header',
  accessKey: 'xedge-gj3su-000000000000000',
  scope: SCOPE,
  amzDate: '20260131T120000Z',
  signedHeaders: ['host'],
  signature: 'ab'.repeat(32),
  payloadHash: '',
  signingKey: signingKeyOf('secret', SCOPE),
};
/** Content that looks like framing. */
const CHUNKS = ['hello', '\r\n0;chunk-signature=', ' world\n'];
const CONTENT = CHUNKS.join('');
const TRAILER = 'x-amz-checksum-crc32:DUoRhQ==';

async function sha256(text: string): Promise<string> {
  return bytesToHex(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

async function frame(hasTrailers: boolean): Promise<Uint8Array> {
  let previous = SIGNED.signature;
  const sign = (kind: string, hashes: string) => {
    const { amzDate, signingKey } = SIGNED;
    previous = signText(signingKey, `${ALGORITHM}-${kind}\n${amzDate}\n${SCOPE}\n${previous}\n${hashes}`);
    return previous;
  };
  let body = '';
  for (const chunk of [...CHUNKS, '']) {
    const signature = sign('PAYLOAD', `${EMPTY_SHA256}\n${await sha256(chunk)}`);
    body += `${chunk.length.toString(16)};chunk-signature=${signature}\r\n${chunk}${chunk === '' ? '' : '\r\n'}`;
  }
  if (hasTrailers) body += `${TRAILER}\r\nx-amz-trailer-signature:${sign('TRAILER', await sha256(`${TRAILER}\n`))}\r\n`;
  return new TextEncoder().encode(`${body}\r\n`);
}

/** The content and trailers of a body that comes in these chunks; the code of its refusal. */
async function decode(chunks: Uint8Array[], hasTrailers: boolean): Promise<string> {
  const rest = chunks.map((chunk) => chunk.slice());
  const raw: ByteSource = {
    take: () => Promise.resolve(rest.shift() ?? null),
    fill: () => Promise.reject(new Error('not asked for')),
    cancel: () => Promise.resolve(),
  };
  const source = chunkedSource(raw, { signed: SIGNED, hasTrailers });
  let content = '';
  try {
    for (let bytes = await source.take(7); bytes !== null; bytes = await source.take(7))
      content += String.fromCharCode(...bytes);
  } catch (error) {
    await source.cancel(error);
    return (error as { s3?: string }).s3 ?? String(error);
  }
  return `${content}|${[...source.trailers()].flat()}`;
}

describe.each([
  ['trailers', true],
  ['no trailers', false],
])('a body with signed chunks and %s', (_, hasTrailers) => {
  const whole = `${CONTENT}|${hasTrailers ? TRAILER.replace(':', ',') : ''}`;

  test('is its content wherever it is cut, and refused wherever it ends too soon', async () => {
    const body = await frame(hasTrailers);
    for (let at = 1; at < body.byteLength; at++) {
      expect(await decode([body.subarray(0, at), body.subarray(at)], hasTrailers)).toBe(whole);
      expect([at, await decode([body.subarray(0, at)], hasTrailers)]).toEqual([at, 'IncompleteBody']);
    }
    expect(
      await decode(
        Array.from(body, (_, at) => body.subarray(at, at + 1)),
        hasTrailers,
      ),
    ).toBe(whole);
  });

  test('is refused with any bit of it flipped, in a size, a signature, the content or a trailer', async () => {
    const body = await frame(hasTrailers);
    const refusals = new Set<string>();
    for (let at = 0; at < body.byteLength; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = body.slice();
        flipped[at] = (body[at] ?? 0) ^ (1 << bit);
        const result = await decode([flipped], hasTrailers);
        // A letter's case in a size, or in the name of a trailer, says the same.
        if (bit === 5 && result === whole) continue;
        expect([at, bit, result]).toEqual([at, bit, expect.stringMatching(/^[A-Za-z]+$/)]);
        refusals.add(result);
      }
    }
    expect(refusals).toContain('SignatureDoesNotMatch');
    expect([...refusals].every((code) => CODES.includes(code))).toBe(true);
  });

  test('is refused with a chunk left out, sent twice or moved', async () => {
    const text = new TextDecoder().decode(await frame(hasTrailers));
    const [one = '', two = '', rest = ''] = text.split(/(?=[0-9a-f]+;chunk-signature=[0-9a-f]{64}\r\n)/);
    const end = text.slice(one.length + two.length + rest.length);
    for (const order of [
      [two, rest],
      [one, rest],
      [one, one, two, rest],
      [two, one, rest],
      [one, two],
    ]) {
      const changed = new TextEncoder().encode([...order, end].join(''));
      expect(CODES).toContain(await decode([changed], hasTrailers));
    }
  });
});

const CODES = ['SignatureDoesNotMatch', 'InvalidRequest', 'IncompleteBody', 'MalformedTrailerError'];
