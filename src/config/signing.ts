import type { SigningKey } from '../keep/signature.ts';
import type { Config } from './config.ts';

/** What block signatures are made with, and checked against. */
export function signingOf({
  blobSigningKey,
  blobSigningKeyPrevious,
  blobSigningTtlSeconds,
}: Pick<Config, 'blobSigningKey' | 'blobSigningKeyPrevious' | 'blobSigningTtlSeconds'>): SigningKey {
  return {
    key: blobSigningKey,
    ttlSeconds: blobSigningTtlSeconds,
    ...(blobSigningKeyPrevious === null ? {} : { previousKey: blobSigningKeyPrevious }),
  };
}
