import { ERRORS, type ErrorCode, KeepError } from '../keep/errors.ts';
import { redactText } from '../keep/redact.ts';
import type { Row } from '../records/columns.ts';
import { askClusterApi, changeAtClusterApi, clusterRecord, clusterRefusal } from '../services/cluster-api.ts';

const TIMEOUT_MS = 300_000;
/** Of an answer that refuses. */
const MAX_SHOWN_CHARS = 500;
const CODES: Record<number, ErrorCode> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'too_large',
  422: 'invalid_record',
  423: 'locked',
  507: 'full',
};

/**
 * One call of the cluster's Arvados API with a writer's token.
 * @param path below /arvados/v1/
 * @param parameters of the query for GET, of the body otherwise
 * @throws KeepError as the API server refuses; unavailable when it is not known whether it has done it
 */
export async function callCluster(
  apiUrl: string,
  token: string,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  parameters: Row,
): Promise<Row> {
  const url = `${apiUrl}/arvados/v1/${path}`;
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, JSON.stringify(value)]));
  const response =
    method === 'GET'
      ? await askClusterApi(`${url}?${query}`, token, TIMEOUT_MS, undefined)
      : await changeAtClusterApi(url, { method, token, body: parameters, timeoutMs: TIMEOUT_MS });
  if (response.status === 200) return clusterRecord<Row>(response);
  throw await refused(response);
}

async function refused(response: Response): Promise<KeepError> {
  const text = await clusterRefusal(response);
  const code = CODES[response.status];
  if (code === undefined)
    return new KeepError('unavailable', {
      message: `the cluster's API server answered ${response.status}, and may or may not have done this: look, then try again`,
    });
  return new KeepError(code, { message: firstError(text) ?? ERRORS[code].message });
}

function firstError(text: string): string | null {
  try {
    const [first] = (JSON.parse(text) as { errors: unknown[] }).errors;
    return typeof first === 'string' ? redactText(first).slice(0, MAX_SHOWN_CHARS) : null;
  } catch {
    return null;
  }
}
