import { bytesToHex } from '@noble/hashes/utils.js';
import { type ByteSource, fillFrom } from '../../blocks/byte-source.ts';
import { equalInConstantTime } from '../../keep/constant-time.ts';
import { CHUNK_BYTES } from '../../streams/chunks.ts';
import { createDigest, type Digest } from '../../streams/digests.ts';
import { ChunkParser } from './aws-chunked.ts';
import { S3Error } from './errors.ts';
import { ALGORITHM, EMPTY_SHA256, signText, type VerifiedSignature } from './signature.ts';

/** The content of an `aws-chunked` body, its chunks' signatures verified as they end. */
export interface ChunkedSource extends ByteSource {
  /** Known once `take` has returned null. */
  trailers(): ReadonlyMap<string, string>;
}

/**
 * @param signed the request's signature, which the chunks' go on from; null when chunks are not signed
 * @throws (take) S3Error SignatureDoesNotMatch, InvalidRequest, MalformedTrailerError, IncompleteBody
 */
export function chunkedSource(
  raw: ByteSource,
  { signed, hasTrailers }: { signed: VerifiedSignature | null; hasTrailers: boolean },
): ChunkedSource {
  const parser = new ChunkParser({ isSigned: signed !== null, hasTrailers });
  const chain = signed === null ? null : signatureChain(signed, hasTrailers);
  let trailers: ReadonlyMap<string, string> = new Map();
  let held = new Uint8Array(0);

  /** Content is moved together within the memory that it came in. */
  const decode = async (bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => {
    let filled = 0;
    for (const event of parser.push(bytes)) {
      if (event.kind === 'content') {
        await chain?.content(event.bytes);
        const { byteLength } = event.bytes;
        bytes.set(event.bytes, filled);
        filled += byteLength;
      } else if (event.kind === 'chunk') await chain?.chunk(event.signature ?? '');
      else {
        await chain?.end(event.text, event.signature);
        ({ trailers } = event);
      }
    }
    return bytes.subarray(0, filled) as Uint8Array<ArrayBuffer>;
  };
  const take = async (limit: number): Promise<Uint8Array | null> => {
    while (held.byteLength === 0) {
      const bytes = await raw.take(CHUNK_BYTES);
      if (bytes === null) {
        if (parser.isDone) return null;
        throw new S3Error('IncompleteBody', 'the aws-chunked body ends before its last chunk');
      }
      held = await decode(bytes);
    }
    const taken = held.subarray(0, limit);
    held = held.subarray(taken.byteLength);
    return taken;
  };
  return {
    take,
    fill: (target) => fillFrom(take, target),
    async cancel(reason) {
      await chain?.abort(reason);
      await raw.cancel(reason);
    },
    trailers: () => trailers,
  };
}

/** Each chunk's signature covers the one before it. */
function signatureChain({ signingKey, amzDate, scope, signature: seed }: VerifiedSignature, hasTrailers: boolean) {
  let previous = seed;
  let current: { digest: Digest; signature: string } | null = null;
  const verify = (signature: string, kind: string, hashes: string) => {
    const expected = signText(signingKey, `${ALGORITHM}-${kind}\n${amzDate}\n${scope}\n${previous}\n${hashes}`);
    if (!equalInConstantTime(signature, expected))
      throw new S3Error('SignatureDoesNotMatch', 'the signature of a chunk of the body does not match');
    previous = signature;
  };
  const finish = async () => {
    if (current === null) return;
    const { digest, signature } = current;
    current = null;
    verify(signature, 'PAYLOAD', `${EMPTY_SHA256}\n${bytesToHex(await digest.bytes())}`);
  };
  return {
    async chunk(signature: string) {
      await finish();
      current = { digest: createDigest('SHA-256'), signature };
    },
    content: (bytes: Uint8Array) => current?.digest.write(bytes),
    async end(text: string, signature: string | null) {
      await finish();
      if (!hasTrailers) return;
      if (signature === null) throw new S3Error('MalformedTrailerError', 'the trailers are not signed');
      const digest = createDigest('SHA-256');
      await digest.write(new TextEncoder().encode(text));
      verify(signature, 'TRAILER', bytesToHex(await digest.bytes()));
    },
    abort: async (reason: unknown) => void (await current?.digest.abort(reason)),
  };
}
