import type { RequestContext } from '../../http/context.ts';
import type { S3Client } from './call.ts';
import type { S3Dependencies } from './dependencies.ts';
import { S3Error } from './errors.ts';
import { type ClaimedSignature, claimedSignature, type VerifiedSignature, verifySignature } from './signature.ts';

/**
 * Who sends a request: the owner of the key that signed it, else the public.
 * @throws S3Error for a signature that is not good; AccessDenied where nothing is public
 */
export async function authenticate(
  context: RequestContext,
  deps: S3Dependencies,
): Promise<{ client: S3Client; signed: VerifiedSignature | null }> {
  const claimed = claimedSignature(context.request, context.now * 1000);
  if (claimed === null) return { client: await publicClient(context, deps), signed: null };
  return clientOf(context, deps, claimed, (secret) => verifySignature(context.request, claimed, secret));
}

/**
 * The client whose access key is claimed, once `verify` has not thrown for its secret.
 * @throws S3Error InvalidAccessKeyId, AccessDenied; what `verify` throws
 */
export async function clientOf<Verified>(
  context: RequestContext,
  deps: S3Dependencies,
  { kind, accessKey }: Pick<ClaimedSignature, 'kind' | 'accessKey'>,
  verify: (secret: string) => Verified,
): Promise<{ client: S3Client; signed: Verified }> {
  const { signal, admission } = context;
  const credential = await deps.keys.credential(accessKey, signal);
  if (credential === null) throw new S3Error('InvalidAccessKeyId');
  if (kind === 'query' && credential.carriesToken)
    throw new S3Error(
      'AccessDenied',
      'this access key holds a whole token, which a link or a form would give away: make a key pair with `keep-edge s3-key`',
    );
  const { token } = credential;
  const attempt = attempted(() => verify(credential.secret));
  await admission?.beforeLookUp(token);
  const account = await deps.authority.identify(token, signal);
  context.hadWrongToken = account === null || !attempt.ok;
  if (account === null) throw new S3Error('InvalidAccessKeyId');
  if (!attempt.ok) throw attempt.error;
  await admission?.countToken(token);
  if (account.user?.isActive === false)
    throw new S3Error('AccessDenied', 'the account of this access key is not active');
  return { client: { token, account, user: account.user }, signed: attempt.value };
}

async function publicClient({ signal }: RequestContext, deps: S3Dependencies): Promise<S3Client> {
  const token = deps.s3.anonymousToken;
  const account = token === null ? null : await deps.authority.identify(token, signal);
  if (token === null || account === null) throw new S3Error('AccessDenied', 'the request is not signed');
  return { token, account, user: null };
}

function attempted<T>(work: () => T): { ok: true; value: T } | { ok: false; error: unknown } {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error };
  }
}
