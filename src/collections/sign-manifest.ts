import type { User } from '../accounts/account.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Chunks } from '../keep/manifest/line-tokens.ts';
import { rewriteLocators } from '../keep/manifest/rewrite.ts';
import { createSigner, createVerifier, type SigningKey } from '../keep/signature.ts';
import type { LocatorCheck } from './stage-manifest.ts';

/** How this service signs blocks: docs/protocol/blocks.md#signatures. */
export interface Signing {
  key: SigningKey;
  /** False: blocks may be read and saved unsigned. A signature that is present must be valid all the same. */
  required: boolean;
}

/** The manifest for one token: every local block signed until `expiry` (Unix seconds). */
export function signManifest(
  chunks: Chunks,
  token: string,
  expiry: number,
  signing: Signing,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sign = createSigner(token, expiry, signing.key);
  // A +R hint names another cluster's block: a local signature would hide it from clients.
  return rewriteLocators(chunks, (locator) => (locator.includes('+R') ? locator : sign(locator)));
}

/** Checks that this token may save the blocks of a submitted manifest. */
export function signatureCheck(user: User, token: string, now: number, signing: Signing): LocatorCheck {
  if (user.isAdmin) return null;
  const verify = createVerifier(token, now, signing.key);
  return (locator) => {
    if (!signing.required && !locator.includes('+A')) return;
    try {
      verify(locator);
    } catch (cause) {
      if (!isKeepError(cause) || cause.status >= 500) throw cause;
      const why = cause.code === 'expired_signature' ? 'has expired' : 'is missing or not valid for this token';
      throw new KeepError('forbidden', {
        message: `Forbidden: the signature of block ${locator.slice(0, 32)} ${why}`,
        cause,
      });
    }
  };
}
