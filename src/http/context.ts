import { KeepError } from '../keep/errors.ts';
import { decodeUriName } from '../keep/manifest/uri-names.ts';
import { requestTokens } from '../keep/token.ts';
import type { Admission } from './admission.ts';

/** Arvados' own have 24 characters; ids of proxies and tracing systems stay below 256. Printable, and nothing that quotes or marks up. */
const REQUEST_ID = /^[\w.:;,|/+=@~-]{1,256}$/;
const ID_DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** Methods that change nothing here, whatever else a request says (POST may say that it is another). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND']);

/** What handlers know of a request. Built once in worker.ts. */
export interface RequestContext {
  request: Request;
  method: string;
  url: URL;
  /** Percent-decoded once, slashes kept as sent, always starting with one. Bytes that are not UTF-8 as in keep/manifest/names.ts. */
  path: string;
  requestId: string;
  /** All credentials, in the order of requestTokens; the first one counts for signatures. */
  tokens: string[];
  /** Unix seconds at arrival, with their fraction. */
  now: number;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
  /** Facts for the request's log line; hashes and mounts, never tokens, signatures or signed locators. */
  log: Record<string, string | number | boolean>;
  /** What was asked for, where the path does not say it (surface-of.ts): for figures. */
  surface?: 's3' | 'pages';
  /** What went wrong, for the log only. */
  error?: unknown;
  /** Why the request is not admitted: its surface throws it, and so gives it the shape of its errors. */
  refusal?: unknown;
  /** Where requests are limited: what may still refuse this one. */
  admission?: Admission;
  /** A token was tried that no authority knows. */
  hadWrongToken?: boolean;
  /** Settles when all of the response's body is on its way, for bodies that are pumped rather than handed to the runtime. */
  bodyDone?: Promise<unknown>;
  /** Work that may outlive the response. */
  waitUntil: (work: Promise<unknown>) => void;
}

/** Each surface begins with it. @throws what the request is refused for */
export function requireAdmitted({ refusal }: RequestContext): void {
  if (refusal !== undefined) throw refusal;
}

/** @throws KeepError bad_request when the path holds a malformed percent escape */
export function createContext(request: Request, waitUntil: (work: Promise<unknown>) => void): RequestContext {
  let url: URL | null = null;
  return {
    request,
    method: request.method,
    // Parsing a URL is expensive compared with answering a small block: done only when more than the path is used.
    get url() {
      url ??= URL.parse(request.url);
      if (url === null) throw new KeepError('bad_request', { message: 'the Host header is not the name of a host' });
      return url;
    },
    path: decodeUriName(rawPath(request.url)),
    requestId: requestIdOf(request.headers.get('X-Request-Id')),
    tokens: requestTokens(request, { ambient: !isFromOtherSite(request) }),
    now: Date.now() / 1000,
    get signal() {
      return request.signal;
    },
    log: {},
    waitUntil,
  };
}

/** The path as sent: URL parsing would fold `/./` and `..`. */
export function rawPath(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const end = url.slice(start).search(/[?#]/);
  return start < 0 ? '/' : end < 0 ? url.slice(start) : url.slice(start, start + end);
}

/** The client's own id if it is fit to be repeated in headers and logs, else a new one. */
function requestIdOf(given: string | null): string {
  return given !== null && REQUEST_ID.test(given) ? given : createRequestId();
}

/** `req-` and 20 of 0-9a-z, the shape that Arvados clients use. It is no secret: clients may choose their own. */
function createRequestId(): string {
  let id = 'req-';
  for (let i = 0; i < 20; i++) id += ID_DIGITS[Math.floor(Math.random() * ID_DIGITS.length)];
  return id;
}

/**
 * Whether a browser sends this for a page of another origin, which must not act with its visitor's cookie or
 * HTTP Basic password. Browsers say
 * so with requests that may change something; no other client does. An origin that is hidden counts as another.
 */
function isFromOtherSite({ method, headers }: Request): boolean {
  if (SAFE_METHODS.has(method)) return false;
  const site = headers.get('Sec-Fetch-Site');
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  const origin = headers.get('Origin');
  return origin !== null && URL.parse(origin)?.host !== headers.get('Host');
}
