/** What modules of the Worker that a benchmark runs in Node name in their types, and never call there. */
interface Crypto {
  readonly DigestStream: new (
    algorithm: string,
  ) => WritableStream<Uint8Array> & { readonly digest: Promise<ArrayBuffer> };
}
