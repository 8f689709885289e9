import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { httpDate } from '../../files/http-date.ts';
import { createBoundedMap } from '../../keep/bounded-map.ts';
import { equalInConstantTime } from '../../keep/constant-time.ts';
import { canonicalRequestHash } from './canonical.ts';
import { S3Error } from './errors.ts';

/** What a client says of its signature, before it is verified. */
export interface ClaimedSignature {
  kind: 'header' | 'query';
  accessKey: string;
  /** `date/region/service/aws4_request`. */
  scope: string;
  /** `YYYYMMDDTHHMMSSZ`. */
  amzDate: string;
  /** Lower case, in the client's order. */
  signedHeaders: string[];
  /** Hex. */
  signature: string;
  /** SHA-256 of the body in hex, or one of the words that say how the body is signed. */
  payloadHash: string;
}

/** A good signature, as the chunks of a signed body go on from it. */
export interface VerifiedSignature extends ClaimedSignature {
  /** HMAC key of the scope. */
  signingKey: Uint8Array;
}

export const ALGORITHM = 'AWS4-HMAC-SHA256';
/** SHA-256 of nothing. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
/** AWS allows a client's clock to be this far off. */
const MAX_SKEW_MS = 15 * 60 * 1000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 3600;
/** Of a secret and a scope whose key is kept; what is longer was made up. */
const MAX_NAME_CHARS = 300;
/**
 * Keys that good signatures were made with, by secret and scope. They follow from these two alone: whether the token is
 * still good is asked apart.
 */
const signingKeys = createBoundedMap<Uint8Array>({ maxEntries: 1000, maxBytes: 1024 * 1024, sizeOf: () => 200 });
const PAYLOAD =
  /^([0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-UNSIGNED-PAYLOAD-TRAILER|STREAMING-AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?)$/;
export const NO_V2 =
  "signatures of version 2 are not accepted: sign with version 4, AWS4-HMAC-SHA256 (for boto3, Config(signature_version='s3v4'))";

/**
 * The signature that a request carries; null for none.
 * @throws S3Error for one that is malformed, too old, or of another version
 */
export function claimedSignature(request: Request, now: number): ClaimedSignature | null {
  const authorization = request.headers.get('Authorization');
  const query = request.url.includes('?') ? new URL(request.url).searchParams : null;
  if (authorization?.startsWith('AWS ') || query?.has('AWSAccessKeyId')) throw new S3Error('InvalidRequest', NO_V2);
  if (authorization?.startsWith('AWS4-') === true) {
    if (query?.has('X-Amz-Signature'))
      throw new S3Error('InvalidArgument', 'a request is signed in its header or in its query, not in both');
    return inHeader(request, authorization, now);
  }
  if (query === null || ![...query.keys()].some((name) => /^X-Amz-(Algorithm|Signature|Credential)$/.test(name)))
    return null;
  return inQuery(request, query, now);
}

/**
 * Verifies a signature in constant time.
 * @throws S3Error SignatureDoesNotMatch
 */
export function verifySignature(request: Request, claimed: ClaimedSignature, secret: string): VerifiedSignature {
  const name = `${secret} ${claimed.scope}`;
  const known = name.length <= MAX_NAME_CHARS ? signingKeys.get(name) : undefined;
  const signingKey = known ?? signingKeyOf(secret, claimed.scope);
  const hash = canonicalRequestHash(request, claimed.signedHeaders, claimed.payloadHash);
  const expected = signText(signingKey, `${ALGORITHM}\n${claimed.amzDate}\n${claimed.scope}\n${hash}`);
  if (!equalInConstantTime(claimed.signature, expected)) throw mismatch(request, claimed);
  if (known === undefined && name.length <= MAX_NAME_CHARS) signingKeys.set(name, signingKey);
  return { ...claimed, signingKey };
}

/** Hex HMAC of a text under a scope's key. */
export function signText(signingKey: Uint8Array, text: string): string {
  return bytesToHex(hmac(sha256, signingKey, utf8ToBytes(text)));
}

/** @param scope `date/region/service/aws4_request` */
export function signingKeyOf(secret: string, scope: string): Uint8Array {
  let key: Uint8Array = utf8ToBytes(`AWS4${secret}`);
  for (const part of scope.split('/')) key = hmac(sha256, key, utf8ToBytes(part));
  return key;
}

function inHeader(request: Request, authorization: string, now: number): ClaimedSignature {
  const malformed = (why: string) => new S3Error('AuthorizationHeaderMalformed', `the Authorization header ${why}`);
  if (!authorization.startsWith(`${ALGORITHM} `)) throw malformed(`does not begin with "${ALGORITHM} "`);
  const fields = new Map(
    authorization
      .slice(ALGORITHM.length + 1)
      .split(',')
      .map((field) => {
        const equals = field.indexOf('=');
        return [field.slice(0, Math.max(0, equals)).trim(), field.slice(equals + 1).trim()];
      }),
  );
  const [credential, signed, signature] = ['Credential', 'SignedHeaders', 'Signature'].map((name) => fields.get(name));
  if (!credential || !signed || !signature) throw malformed('lacks Credential, SignedHeaders or Signature');
  const amzDate = dateOf(request.headers);
  if (amzDate === null)
    throw new S3Error('AccessDenied', 'a signed request has a valid X-Amz-Date, such as 20260131T120000Z, or Date');
  const { accessKey, scope } = splitCredential(credential, amzDate, malformed);
  if (Math.abs(timeOf(amzDate) - now) > MAX_SKEW_MS) throw skewed(amzDate, now);
  const payloadHash = request.headers.get('X-Amz-Content-Sha256');
  if (payloadHash === null)
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  const signedHeaders = signedHeadersOf(request, signed, malformed);
  return { kind: 'header', accessKey, scope, amzDate, signedHeaders, signature, payloadHash: payload(payloadHash) };
}

function inQuery(request: Request, query: URLSearchParams, now: number): ClaimedSignature {
  const malformed = (why: string) =>
    new S3Error('AuthorizationQueryParametersError', `the signature in the query ${why}`);
  const names = ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'];
  const given = names.map((name) => query.getAll(`X-Amz-${name}`));
  if (given.some((values) => values.length !== 1 || values[0] === ''))
    throw malformed(`needs each of ${names.map((name) => `X-Amz-${name}`).join(', ')} once`);
  const [algorithm = '', credential = '', amzDate = '', expires = '', signed = '', signature = ''] = given.flat();
  if (algorithm !== ALGORITHM) throw malformed(`has an X-Amz-Algorithm other than "${ALGORITHM}"`);
  if (Number.isNaN(timeOf(amzDate))) throw malformed('has no X-Amz-Date such as 20260131T120000Z');
  if (!/^\d{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > MAX_EXPIRES_SECONDS)
    throw malformed(`has an X-Amz-Expires that is not 1 to ${MAX_EXPIRES_SECONDS} seconds`);
  const { accessKey, scope } = splitCredential(credential, amzDate, malformed);
  if (timeOf(amzDate) > now + MAX_SKEW_MS) throw new S3Error('AccessDenied', 'Request is not yet valid');
  if (timeOf(amzDate) + Number(expires) * 1000 < now) throw new S3Error('AccessDenied', 'Request has expired');
  const payloadHash =
    query.get('X-Amz-Content-Sha256') ?? request.headers.get('X-Amz-Content-Sha256') ?? UNSIGNED_PAYLOAD;
  const signedHeaders = signedHeadersOf(request, signed, malformed);
  return { kind: 'query', accessKey, scope, amzDate, signedHeaders, signature, payloadHash: payload(payloadHash) };
}

/** An access key may hold slashes, the scope never does. */
export function splitCredential(credential: string, amzDate: string, malformed: (why: string) => S3Error) {
  const parts = credential.split('/');
  const [date, , service, end] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join('/');
  if (parts.length < 5 || accessKey === '')
    throw malformed('has a credential that is not KEY/YYYYMMDD/REGION/s3/aws4_request');
  if (date !== amzDate.slice(0, 8)) throw malformed('has a date in its credential that is not that of X-Amz-Date');
  if (service !== 's3' || end !== 'aws4_request')
    throw malformed('has a credential for another service: it must end with s3/aws4_request');
  return { accessKey, scope: parts.slice(-4).join('/') };
}

/** What is not signed could be added by others: the host and all headers of S3 must be. */
function signedHeadersOf({ headers }: Request, text: string, malformed: (why: string) => S3Error): string[] {
  const names = text.split(';');
  const signed = new Set(names);
  // Each time that a name is there its value is hashed: 64 KiB of names would be gigabytes.
  if (signed.size < names.length) throw malformed('names a header twice in its SignedHeaders');
  if (!names.every((name) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)))
    throw malformed('has SignedHeaders that are not names in lower case with semicolons between them');
  const missing = ['host', ...headers.keys()].filter(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.has(name),
  );
  if (missing.length > 0)
    throw new S3Error(
      'AccessDenied',
      `There were headers present in the request which were not signed: ${missing.join(', ')}`,
    );
  return names;
}

function payload(text: string): string {
  if (PAYLOAD.test(text)) return text;
  throw new S3Error(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form that S3 has, or the SHA-256 of the body in hex',
  );
}

function dateOf(headers: Headers): string | null {
  const amz = headers.get('X-Amz-Date');
  if (amz !== null) return Number.isNaN(timeOf(amz)) ? null : amz;
  const date = httpDate(headers.get('Date'));
  return date === null ? null : new Date(date).toISOString().replace(/[-:]|\.\d+/g, '');
}

/** Unix milliseconds of `YYYYMMDDTHHMMSSZ`; NaN for anything else. */
export function timeOf(amzDate: string): number {
  const [, year, month, day, hours, minutes, seconds] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(amzDate) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
}

/** The platform has replaced what was no UTF-8: as Latin-1 a header can never match. */
function mismatch({ headers }: Request, { signedHeaders }: ClaimedSignature): S3Error {
  const odd = signedHeaders.find((name) => headers.get(name)?.includes('\ufffd') === true);
  return new S3Error(
    'SignatureDoesNotMatch',
    odd && `the header ${odd} is not UTF-8: send it as UTF-8, or in encoded words (RFC 2047)`,
  );
}

function skewed(amzDate: string, now: number): S3Error {
  const sent = new Date(timeOf(amzDate)).toISOString();
  return new S3Error(
    'RequestTimeTooSkewed',
    `the request was signed at ${sent}, the time here is ${new Date(now).toISOString()}: set the client's clock`,
  );
}
