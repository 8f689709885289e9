import type { Md5 } from './md5-stream.ts';

/** Digests that the runtime computes natively, by the names of its DigestStream. */
export type DigestName = 'MD5' | 'SHA-1' | 'SHA-256' | 'crc32' | 'crc32c' | 'crc64nvme';

/** A native digest over bytes as they pass. */
export interface Digest extends Pick<Md5, 'write' | 'abort'> {
  /** Closes the digest. CRCs have their most significant byte first. */
  bytes(): Promise<Uint8Array>;
}

export function createDigest(name: DigestName): Digest {
  const stream = new crypto.DigestStream(name);
  const writer = stream.getWriter();
  // An aborted digest rejects, possibly unobserved.
  stream.digest.catch(() => undefined);
  return {
    write: (bytes) => writer.write(bytes),
    async bytes() {
      await writer.close();
      return new Uint8Array(await stream.digest);
    },
    abort: (reason) => writer.abort(reason).catch(() => undefined),
  };
}
