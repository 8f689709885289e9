import { KeepError } from '../keep/errors.ts';

/**
 * What the cluster's API server answers to a GET with this token, whatever its status. Redirects are not
 * followed: the token is for this server. Use up or cancel the body.
 * @throws KeepError bad_gateway when the server cannot be reached
 */
export async function askClusterApi(
  url: string,
  token: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await fetch(url, {
      headers: { Authorization: `Bearer ${token}`, Accept: 'application/json' },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      redirect: 'manual',
    });
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: "the cluster's API server cannot be reached", cause });
  }
}

/** For a status that the asker has no meaning for. */
export function clusterApiFailed({ status }: Response): KeepError {
  return new KeepError('bad_gateway', { message: `the cluster's API server answered ${status}` });
}
