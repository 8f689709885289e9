import { AwsV4Signer } from 'aws4fetch';
import { type ErrorCode, isKeepError, KeepError } from '../keep/errors.ts';
import { boundedText, startOfText } from '../streams/bounded-text.ts';
import { parseErrorCode } from './s3-xml.ts';
import type { S3DriverConfig } from './volume-config.ts';

/** One request to the bucket, or to an object in it. */
export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Empty for the bucket itself. */
  key: string;
  query?: Record<string, string>;
  /** Never Content-Type: it is not signed, and Ceph 20 refuses what is sent unsigned. */
  headers?: Record<string, string>;
  body?: Uint8Array | ReadableStream<Uint8Array>;
  signal?: AbortSignal | undefined;
}

export interface S3Client {
  /**
   * Signs and sends. Resolves with any 2xx, and with null when the key is not there; the caller drains or cancels the body.
   * Failures that may pass are tried again, unless the body is a stream, which is spent.
   * @throws KeepError `unavailable`, `full` or `body_mismatch`; what the store said is in the cause.
   */
  send(request: S3Request): Promise<Response | null>;
  /**
   * The same for an answer that is a short document, which is read as part of the attempt: one that stalls, breaks off,
   * or makes no sense is asked for again.
   * @param parse throws when the document is not whole; a KeepError of its own is thrown on
   */
  sendForDocument<Result>(request: S3Request, parse: (xml: string) => Result): Promise<Result | null>;
  /** `/bucket/key` as x-amz-copy-source wants it. */
  copySource(key: string): string;
}

/** What the server answered, for the log. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure';
  readonly status: number;
  /** From the error document; HEAD answers have none. */
  readonly s3Code: string;

  constructor(method: string, status: number, s3Code: string) {
    super(`S3 ${method}: ${status} ${s3Code}`.trimEnd());
    this.status = status;
    this.s3Code = s3Code;
  }
}

const MAX_SIGNING_KEYS = 8;
const MAX_ATTEMPTS = 4;
const BACKOFF_BASE_MS = 100;
/** A server that sends no headers for this long counts as gone, as one does whose document or error takes longer. */
const ANSWER_TIMEOUT_MS = 60_000;
/** A page of a listing with the longest keys has 4 MB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

export function createS3Client(driver: S3DriverConfig): S3Client {
  const address = bucketAddress(driver);
  const { accessKeyId, secretAccessKey, region } = driver;
  /** One key a day. */
  const signingKeys = new Map<string, ArrayBuffer>();

  /** Without keys nothing is signed: a public bucket is read so. */
  async function signed(method: string, url: URL, headers: Record<string, string>) {
    if (accessKeyId === '') return { url, headers };
    if (signingKeys.size > MAX_SIGNING_KEYS) signingKeys.clear();
    // The payload is not signed (a stream cannot be): Content-MD5 guards it.
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers,
      service: 's3',
      region,
      accessKeyId,
      secretAccessKey,
      cache: signingKeys,
    });
    return signer.sign();
  }

  /**
   * Documents and error texts are read as part of the attempt: they may be cut off too, which is a failed attempt like
   * any other. The runtime may report a cut-off text as complete.
   */
  async function attempt<Result>(
    request: S3Request,
    finish: (response: Response) => Result | Promise<Result>,
  ): Promise<Result | null> {
    const { method, key, query = {}, headers = {}, body, signal } = request;
    const url = new URL(`${address}/${encodeKey(key)}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const sent = await signed(method, url, headers);
    const init = { method, headers: sent.headers, redirect: 'manual', cache: 'no-store' } as const;
    const late = new AbortController();
    const start = () => setTimeout(() => late.abort(new Error('no answer from S3 in time')), ANSWER_TIMEOUT_MS);
    // Cleared once headers (or a whole document or error) have arrived: a body is not timed. An upload is answered at
    // its end, and its answer timed from then on.
    let timer = body === undefined ? start() : null;
    try {
      const response = await fetch(sent.url, {
        ...init,
        ...(body === undefined ? {} : { body: body as BodyInit }),
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      });
      timer ??= start();
      const good = await judge(method, response);
      return good === null ? null : await finish(good);
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }

  async function persist<Result>(
    request: S3Request,
    finish: (response: Response) => Result | Promise<Result>,
  ): Promise<Result | null> {
    const { signal } = request;
    const attempts = request.body instanceof ReadableStream ? 1 : MAX_ATTEMPTS;
    for (let tried = 1; ; tried++) {
      try {
        return await attempt(request, finish);
      } catch (error) {
        const failed = asKeepError(error, signal);
        if (tried >= attempts || !mayPass(failed)) throw failed;
        await backoff(tried, signal);
      }
    }
  }

  return {
    send: (request) => persist(request, (response) => response),
    sendForDocument: (request, parse) =>
      persist(request, async (response) => parse(await boundedText(response, MAX_DOCUMENT_BYTES))),
    copySource: (key) => `/${driver.bucket}/${encodeKey(key)}`,
  };
}

/** Where the bucket answers, without a slash at the end. */
export function bucketAddress({
  endpoint,
  region,
  bucket,
  usePathStyle,
}: Pick<S3DriverConfig, 'endpoint' | 'region' | 'bucket' | 'usePathStyle'>): string {
  const server = new URL(endpoint === '' ? `https://s3.${region}.amazonaws.com` : endpoint);
  return usePathStyle ? `${server.origin}/${bucket}` : `${server.protocol}//${bucket}.${server.host}`;
}

/** Each segment in the strict encoding that SigV4 signs. */
export function encodeKey(key: string): string {
  const strict = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return key
    .split('/')
    .map((segment) => encodeURIComponent(segment).replace(/[!'()*]/g, strict))
    .join('/');
}

/** @throws KeepError as `failure` maps it */
async function judge(method: string, response: Response): Promise<Response | null> {
  if (response.ok) return response;
  const s3Code = parseErrorCode(await startOfText(response, MAX_ERROR_BYTES));
  // A missing bucket is 404 as well, and no reason to say that a block does not exist.
  if (response.status === 404 && s3Code !== 'NoSuchBucket') return null;
  throw failure(new S3Failure(method, response.status, s3Code));
}

/** Anything else that was thrown is a failed connection, an incomplete document, or the caller's abort. */
function asKeepError(error: unknown, signal: AbortSignal | undefined): KeepError {
  if (isKeepError(error)) return error;
  return new KeepError(signal?.aborted ? 'client_gone' : 'unavailable', { cause: error });
}

/** Maps an S3 failure to the error that callers handle. */
export function failure(cause: S3Failure): KeepError {
  let code: ErrorCode = 'unavailable';
  if (cause.status === 507 || cause.s3Code === 'QuotaExceeded') code = 'full';
  if (cause.s3Code === 'BadDigest') code = 'body_mismatch';
  return new KeepError(code, { cause });
}

/** Worth a retry: no answer, or a status that may pass. */
function mayPass({ code, cause }: KeepError): boolean {
  if (code !== 'unavailable') return false;
  return !(cause instanceof S3Failure) || cause.status >= 500 || cause.status === 429 || cause.status === 408;
}

/** Exponential backoff with full jitter, so that many clients do not come back at once. */
async function backoff(tried: number, signal: AbortSignal | undefined): Promise<void> {
  const milliseconds = Math.random() * BACKOFF_BASE_MS * 2 ** tried;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  if (signal?.aborted) throw new KeepError('client_gone', { cause: signal.reason });
}
