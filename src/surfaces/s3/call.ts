import type { Account, User } from '../../accounts/account.ts';
import type { RequestContext } from '../../http/context.ts';
import type { S3Address } from './address.ts';
import type { S3Dependencies } from './dependencies.ts';
import { S3Error } from './errors.ts';
import type { VerifiedSignature } from './signature.ts';

/** Who asks. */
export interface S3Client {
  /** What the authority knows the client by; may be one that only this service knows. Never shown. */
  token: string;
  account: Account;
  /** Null for the public, and for tokens that do not tell. */
  user: User | null;
}

/** A request to S3 whose signature was good. */
export interface S3Call {
  context: RequestContext;
  deps: S3Dependencies;
  address: S3Address;
  query: URLSearchParams;
  client: S3Client;
  /** Null: the request is not signed. */
  signed: VerifiedSignature | null;
}

export type S3Handler = (call: S3Call) => Promise<Response>;

/** The bucket that a call on a bucket or an object names, as it was written. */
export function bucketName({ address }: S3Call): string {
  if (address.bucket === null) throw new S3Error('InvalidBucketName');
  return address.bucket;
}

/** The key that a call on an object names, checked (checkKey). */
export function objectKey({ address }: S3Call): string {
  if (address.key === null) throw new S3Error('InvalidArgument', 'the request names no key');
  return checkKey(address.key);
}

const MAX_KEY_BYTES = 1024;
/** A file that the original hides in each collection. */
const HIDDEN = '.arvados#collection';

/**
 * A key becomes a path: what no path can be is refused, so that nothing lands under another key.
 * @throws S3Error InvalidArgument, KeyTooLongError
 */
export function checkKey(key: string): string {
  if (new TextEncoder().encode(key).length > MAX_KEY_BYTES) throw new S3Error('KeyTooLongError');
  const parts = (key.endsWith('/') ? key.slice(0, -1) : key).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part === HIDDEN))
    throw new S3Error(
      'InvalidArgument',
      `a key is a path in a collection: it has no empty part, and none that is ".", ".." or "${HIDDEN}"`,
    );
  return key;
}
