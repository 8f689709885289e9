import { pauseBefore, type RetryPolicy, SDK_RETRIES, sleep } from '../services/retry.ts';
import type { OnPause } from '../services/rounds.ts';
import { AnswerTooLong, boundedText, startOfText } from '../streams/bounded-text.ts';
import { CliError } from './cli-error.ts';
import { createNetwork } from './network.ts';
import type { Settings } from './settings.ts';
import { oneLine } from './terminal.ts';

/** A record as the API gives it. */
export type Row = Record<string, unknown>;

export interface ApiRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Arrays and objects go as JSON text. */
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** False tries once, without retries. */
  patient?: boolean | undefined;
}

/** Asks the Arvados API; `path` is below the API server's address, such as `arvados/v1/users/current`. */
export type Api = (path: string, request?: ApiRequest) => Promise<Row>;

/** The API server refused. */
export class ApiError extends CliError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const CONNECT_TIMEOUT_MS = 20_000;
/** Idle connections are closed after this time: the network may have dropped them silently. */
const IDLE_TIMEOUT_MS = 10_000;
/** Large manifests take long. */
const ANSWER_TIMEOUT_MS = 300_000;
/** The largest manifests, and what a string can hold. */
const MAX_ANSWER_BYTES = 500 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;
/** Of a server's message. */
const MAX_SHOWN_CHARS = 500;
/** Node's advice about flags of its own. */
const NODES_ADVICE = /; if the root CA is installed locally.*/s;
const ADVICE: Record<number, string> = {
  401: ' (check ARVADOS_API_TOKEN: it may be wrong or expired)',
  407: ' (the proxy wants a user and a password: http_proxy=http://USER:PASSWORD@HOST:PORT)',
};
const RETRIED = new Set([408, 409, 423, 429]);

/**
 * The Arvados API over HTTP/1.1. Outages are retried as the Python SDK does; refusals are thrown at once.
 * @throws ApiError, CliError
 */
export function createApi(
  { apiUrl, token, insecure }: Pick<Settings, 'apiUrl' | 'token' | 'insecure'>,
  {
    requestId,
    retry = SDK_RETRIES,
    onPause,
    env = process.env,
  }: {
    requestId?: string;
    retry?: RetryPolicy;
    onPause?: OnPause | undefined;
    env?: Record<string, string | undefined>;
  } = {},
): Api & { close(): void } {
  const network = createNetwork({ insecure, env, idleTimeoutMs: IDLE_TIMEOUT_MS });
  const once = (url: URL, { method = 'GET', body, signal }: ApiRequest): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const request = network.request(url, {
        method,
        timeout: CONNECT_TIMEOUT_MS,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          Authorization: `Bearer ${token}`,
          Accept: 'application/json',
          'User-Agent': 'keep-edge',
          ...(requestId === undefined ? {} : { 'X-Request-Id': requestId }),
          ...(payload === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': payload.byteLength }),
        },
      });
      request.on('response', (response) => {
        const { statusCode: status = 0 } = response;
        const text = isGood(status)
          ? boundedText({ body: response }, MAX_ANSWER_BYTES)
          : startOfText({ body: response }, MAX_REFUSAL_BYTES);
        text.then((whole) => resolve({ status, text: whole }), reject);
      });
      request.on('socket', (socket) => {
        const connected = () => request.setTimeout(ANSWER_TIMEOUT_MS);
        if (socket.connecting) socket.once('connect', connected);
        else connected();
      });
      request.on('timeout', () => request.destroy(new Error('it says nothing')));
      request.on('error', reject);
      request.end(payload);
    });

  const ask: Api = async (path, options = {}) => {
    const url = new URL(`${apiUrl}/${path}`);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    }
    for (let round = 1; ; round++) {
      const answer = await once(url, options).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        return error instanceof Error ? error : new Error(String(error));
      });
      const failed = answer instanceof Error;
      if (!failed && isGood(answer.status)) return parseAnswer(answer.text, path);
      const mayPass = failed ? isPassing(answer) : answer.status >= 500 || RETRIED.has(answer.status);
      if (!mayPass || options.patient === false || round >= retry.rounds) throw refusal(answer, url, apiUrl);
      const pauseMs = pauseBefore(round, retry);
      onPause?.(refusal(answer, url, apiUrl).message, pauseMs);
      await sleep(pauseMs, options.signal);
    }
  };
  return Object.assign(ask, { close: network.close });
}

function isGood(status: number): boolean {
  return status >= 200 && status < 300;
}

/** A wrong certificate, an unknown host name and an answer without end are not retried. */
function isPassing(error: NodeJS.ErrnoException): boolean {
  const code = error.code ?? '';
  if (error instanceof CliError || error instanceof AnswerTooLong) return false;
  return !(code === 'ENOTFOUND' || code.startsWith('ERR_TLS') || /CERT|SIGNATURE|EPROTO/.test(code));
}

function parseAnswer(text: string, path: string): Row {
  if (text === '') return {};
  try {
    return JSON.parse(text) as Row;
  } catch {
    throw new CliError(`The answer to ${path} is not JSON: is ARVADOS_API_HOST an Arvados API server?`);
  }
}

function refusal(answer: Error | { status: number; text: string }, url: URL, apiUrl: string): CliError {
  if (answer instanceof CliError) return answer;
  if (answer instanceof Error) {
    const { code = '' } = answer as NodeJS.ErrnoException;
    // OpenSSL's message is a line of internals.
    const why = code === 'EPROTO' ? 'it does not speak TLS' : oneLine(answer.message.replace(NODES_ADVICE, '') || code);
    return new CliError(`No answer from ${apiUrl}: ${why}${adviceFor(code, url)}`);
  }
  const { status } = answer;
  const said = errorsIn(answer.text);
  const path = url.href.slice(apiUrl.length + 1).replace(/\?.*/s, '');
  const what = `${path.replace(/^arvados\/v1\//, '')}: ${status}${said === '' ? '' : ` ${said}`}`;
  if (status === 404 && path.startsWith('discovery/'))
    return new ApiError(status, `${apiUrl} is not an Arvados API server (404 to ${path})`);
  const advice = ADVICE[status] ?? '';
  return new ApiError(status, `${what}${advice}`);
}

function adviceFor(code: string, { host }: URL): string {
  if (code === 'EPROTO') return ` (a service without it is written with a scheme: ARVADOS_API_HOST=http://${host})`;
  if (/CERT|SIGNATURE/.test(code))
    return ' (SSL_CERT_FILE can name the authority that signed it; ARVADOS_API_HOST_INSECURE=1 accepts any certificate)';
  if (code === 'ENOTFOUND') return ' (is ARVADOS_API_HOST right?)';
  if (code === 'ECONNREFUSED') return ' (is the service running, and ARVADOS_API_HOST right?)';
  return '';
}

function errorsIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    if (Array.isArray(errors)) return oneLine(errors.map(String).join('; ').slice(0, MAX_SHOWN_CHARS));
  } catch {
    // not JSON: the first line is better than nothing
  }
  return oneLine((text.split('\n')[0] ?? '').slice(0, MAX_SHOWN_CHARS));
}
