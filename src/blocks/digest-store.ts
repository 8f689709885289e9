import { digestsKey } from '../storage/bucket-layout.ts';
import type { Mount } from '../storage/mounts.ts';
import { DIGEST_BYTES, digestsLength, type SizedBlock } from './range-digests.ts';

/** Digests of blocks, kept beside them so that no other isolate has to hash a block again. */
export interface DigestStore {
  /** Null when there are none, or none that this service made. */
  load(mount: Mount, block: SizedBlock, signal?: AbortSignal): Promise<Uint8Array | null>;
  /** Nothing on a mount that must not be written. */
  save(mount: Mount, block: SizedBlock, digests: Uint8Array): Promise<void>;
}

const SHA256 = { name: 'HMAC', hash: 'SHA-256' };
/** Keeps these codes apart from all else that is made with the key. */
const PURPOSE = 'keep-edge range digests';

/**
 * An object holds an HMAC-SHA256 of the block's name and its digests, and the digests. So digests count only for their
 * block, and only if a service with this key made them: write access to the bucket is not enough to vouch for bytes.
 */
export function createDigestStore(secret: string): DigestStore {
  let imported: CryptoKey | null = null;
  const key = async () => {
    imported ??= await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), SHA256, false, [
      'sign',
      'verify',
    ]);
    return imported;
  };
  return {
    async load({ store, prefixLength }, block, signal) {
      const object = await store.get(digestsKey(block.hash, prefixLength), { signal });
      if (object === null) return null;
      if (object.size !== DIGEST_BYTES + digestsLength(block.size)) {
        await object.body.cancel();
        return null;
      }
      const bytes = new Uint8Array(await new Response(object.body).arrayBuffer());
      const [code, digests] = [bytes.subarray(0, DIGEST_BYTES), bytes.subarray(DIGEST_BYTES)];
      const isRight = await crypto.subtle.verify(SHA256, await key(), code, messageOf(block, digests));
      return isRight ? digests : null;
    },
    async save({ store, prefixLength, allowWrite }, block, digests) {
      if (!allowWrite) return;
      const code = await crypto.subtle.sign(SHA256, await key(), messageOf(block, digests));
      const bytes = new Uint8Array(DIGEST_BYTES + digests.byteLength);
      bytes.set(new Uint8Array(code));
      bytes.set(digests, DIGEST_BYTES);
      await store.put(digestsKey(block.hash, prefixLength), bytes, { size: bytes.byteLength });
    },
  };
}

function messageOf({ hash, size }: SizedBlock, digests: Uint8Array): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(`${PURPOSE}\n${hash}+${size}\n`);
  const message = new Uint8Array(name.byteLength + digests.byteLength);
  message.set(name);
  message.set(digests, name.byteLength);
  return message;
}
