import type { User } from '../accounts/account.ts';
import { isKeepError, KeepError } from '../keep/errors.ts';
import type { Chunks } from '../keep/manifest/line-tokens.ts';
import { rewriteLocators } from '../keep/manifest/rewrite.ts';
import { createSigner, createVerifier, type SigningKey } from '../keep/signature.ts';
import type { LocatorCheck } from './stage-manifest.ts';

/** How this service signs blocks (keep-block-api.md 2). */
export interface Signing {
  key: SigningKey;
  /** False: blocks may be read and saved unsigned. A signature that is there must be good all the same (T27). */
  required: boolean;
}

/** The manifest as one token may read it: every local block signed until `expiry` (Unix seconds). */
export function signManifest(
  chunks: Chunks,
  token: string,
  expiry: number,
  signing: Signing,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sign = createSigner(token, expiry, signing.key);
  // A +R hint says that the block is another cluster's: our signature would hide that (T30).
  return rewriteLocators(chunks, (locator) => (locator.includes('+R') ? locator : sign(locator)));
}

/** Whether the blocks of a submitted manifest may be saved by this token. */
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
