import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { bareLocator } from '../locator.ts';
import type { Chunks } from './line-tokens.ts';
import { LocatorRewriter } from './rewrite.ts';

/** Computes the portable data hash of a manifest pushed in chunks. */
export class PortableDataHasher {
  readonly #md5 = md5.create();
  readonly #bare = new LocatorRewriter(bareLocator);
  #bytes = 0;

  push(chunk: Uint8Array): void {
    for (const bare of this.#bare.push(chunk)) this.#add(bare);
  }

  /** The hash of everything pushed; nothing may be pushed afterwards. */
  digest(): string {
    this.#add(this.#bare.end());
    return `${bytesToHex(this.#md5.digest())}+${this.#bytes}`;
  }

  #add(chunk: Uint8Array): void {
    this.#md5.update(chunk);
    this.#bytes += chunk.length;
  }
}

/**
 * `<MD5>+<bytes>` of a manifest as written, with every locator cut to hash and size. It does not depend on signatures
 * and other hints; it does depend on order and spelling.
 */
export async function portableDataHash(chunks: Chunks): Promise<string> {
  const hasher = new PortableDataHasher();
  for await (const chunk of chunks) hasher.push(chunk);
  return hasher.digest();
}
