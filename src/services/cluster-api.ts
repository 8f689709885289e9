import { KeepError } from '../keep/errors.ts';
import { requestIdHeader } from '../keep/request-id.ts';

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
      headers: { Authorization: `Bearer ${token}`, Accept: 'application/json', ...requestIdHeader() },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      redirect: 'manual',
    });
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: "the cluster's API server cannot be reached", cause });
  }
}

/**
 * Sends a change to the cluster's API server. Use up or cancel the body.
 * @throws KeepError unavailable when there is no answer: whether it was done is not known
 */
export async function changeAtClusterApi(
  url: string,
  { method, token, body, timeoutMs }: { method: string; token: string; body: unknown; timeoutMs: number },
): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        Accept: 'application/json',
        'Content-Type': 'application/json',
        ...requestIdHeader(),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'manual',
    });
  } catch (cause) {
    throw new KeepError('unavailable', {
      message: "the cluster's API server does not answer, and may or may not have done this: look, then try again",
      cause,
    });
  }
}

/** For a status that the asker has no meaning for. */
export function clusterApiFailed({ status }: Response): KeepError {
  return new KeepError('bad_gateway', { message: `the cluster's API server answered ${status}` });
}
