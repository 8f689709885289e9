import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { ANONYMOUS_TAIL } from '../../records/ids.ts';
import type { S3Dependencies } from './dependencies.ts';

/** `POST /keep-edge/v1/s3-key`: the key pair of the token that asks, whatever its scopes, which hold for the pair too. */
export async function s3KeyPair(
  context: RequestContext,
  deps: Pick<S3Dependencies, 'authority' | 'keys' | 's3'>,
): Promise<Response> {
  const { tokens, signal } = context;
  // Any scope will do: the pair can do what the token can.
  const account = await deps.authority.identify(tokens[0] ?? '', signal);
  if (account === null) throw new KeepError(tokens.length === 0 ? 'no_token' : 'unauthorized');
  const { user, tokenUuid } = account;
  if (user?.isActive === false) throw new KeepError('forbidden', { message: 'Forbidden: this account is not active' });
  if (tokenUuid === null || tokenUuid.endsWith(ANONYMOUS_TAIL))
    throw new KeepError('forbidden', {
      message: 'the root token and the public one have no key pair: use the token of a user, as whom S3 then acts',
    });
  const pair = deps.keys.pairOf(tokenUuid);
  if (pair === null)
    throw new KeepError('not_found', {
      message: "beside a cluster the access key is the token's UUID, and the secret key is the token's last part",
    });
  return Response.json(
    { access_key_id: pair.accessKey, secret_access_key: pair.secretKey, region: deps.s3.clusterId },
    { headers: { 'Cache-Control': 'private, no-store' } },
  );
}
