import { KeepError } from '../keep/errors.ts';
import { requestIdHeader } from '../keep/request-id.ts';
import { boundedJson, startOfText } from '../streams/bounded-text.ts';

/** A page of 1000 records has a megabyte and a half at most. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;

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

/**
 * The record or list in an answer.
 * @throws KeepError bad_gateway for an answer that is none, is cut short, or has no end
 */
export async function clusterRecord<T extends object>(response: Response): Promise<T> {
  let cause: unknown;
  try {
    const record = await boundedJson(response, MAX_ANSWER_BYTES);
    if (typeof record === 'object' && record !== null) return record as T;
  } catch (error) {
    cause = error;
  }
  throw new KeepError('bad_gateway', { message: "the cluster's API server gave no whole answer", cause });
}

/** What an answer that refuses says; '' for what cannot be read. */
export function clusterRefusal(response: Response): Promise<string> {
  return startOfText(response, MAX_REFUSAL_BYTES).catch(() => '');
}

/** For a status that the asker has no meaning for. */
export function clusterApiFailed({ status }: Response): KeepError {
  return new KeepError('bad_gateway', { message: `the cluster's API server answered ${status}` });
}
