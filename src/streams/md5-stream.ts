/** The runtime's native MD5 over bytes as they pass. */
export interface Md5 {
  write(bytes: Uint8Array): Promise<void>;
  /** Closes the digest: lowercase hex of all that was written. */
  hex(): Promise<string>;
  abort(reason: unknown): Promise<void>;
}

export function createMd5(): Md5 {
  const stream = new crypto.DigestStream('MD5');
  const writer = stream.getWriter();
  // An aborted digest rejects, possibly unobserved.
  stream.digest.catch(() => undefined);
  return {
    write: (bytes) => writer.write(bytes),
    async hex() {
      await writer.close();
      return hexOf(await stream.digest);
    },
    abort: (reason) => writer.abort(reason).catch(() => undefined),
  };
}

/** Lowercase hex MD5 of a whole stream, moved natively. */
export async function md5OfStream(body: ReadableStream<Uint8Array>): Promise<string> {
  const stream = new crypto.DigestStream('MD5');
  const digest = stream.digest.catch((error: unknown) => error);
  await body.pipeTo(stream);
  const result = await digest;
  if (result instanceof ArrayBuffer) return hexOf(result);
  throw result;
}

/** Lowercase hex. */
export function hexOf(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
