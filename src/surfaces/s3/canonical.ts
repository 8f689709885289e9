import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { rawPath } from '../../http/context.ts';

/** Bytes that stand for themselves in a canonical request. */
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const HEX = /^[0-9A-Fa-f]{2}$/;
const encoder = new TextEncoder();

/** Query parameters that carry the signature itself. */
const UNSIGNED = 'X-Amz-Signature';

/**
 * Text of a URL in the form that signatures are made of: percent-decoded, then every byte but the unreserved ones as an
 * upper-case escape. In a query a plus sign is a space, in a path slashes stay.
 */
export function canonicalText(raw: string, isQuery: boolean): string {
  let text = '';
  for (let at = 0; at < raw.length; ) {
    const char = String.fromCodePoint(raw.codePointAt(at) ?? 0);
    if (UNRESERVED.test(char) || (char === '/' && !isQuery)) {
      text += char;
      at += char.length;
      continue;
    }
    const digits = char === '%' ? raw.slice(at + 1, at + 3) : '';
    if (HEX.test(digits)) {
      const code = Number.parseInt(digits, 16);
      const decoded = String.fromCharCode(code);
      text += code < 0x80 && (UNRESERVED.test(decoded) || (decoded === '/' && !isQuery)) ? decoded : escaped([code]);
      at += 3;
      continue;
    }
    text += char === '+' && isQuery ? '%20' : escaped(encoder.encode(char.toWellFormed()));
    at += char.length;
  }
  return text;
}

/** A raw query, without its question mark: parameters by name, then value. */
export function canonicalQuery(raw: string): string {
  return raw
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = canonicalText(equals < 0 ? pair : pair.slice(0, equals), true);
      return [name, equals < 0 ? '' : canonicalText(pair.slice(equals + 1), true)] as const;
    })
    .filter(([name]) => name !== UNSIGNED)
    .sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/**
 * SHA-256 of the canonical request, hex.
 * @param names lower-case names of the signed headers, in the order that the client says
 */
export function canonicalRequestHash(request: Request, names: readonly string[], payloadHash: string): string {
  const { method, url } = request;
  const query = url.indexOf('?');
  const fragment = url.indexOf('#', query);
  const rawQuery = query < 0 ? '' : url.slice(query + 1, fragment < 0 ? undefined : fragment);
  const headers = names.map((name) => `${name}:${headerValue(request, name)}\n`).join('');
  const text = [
    method,
    canonicalText(rawPath(url), false),
    canonicalQuery(rawQuery),
    headers,
    names.join(';'),
    payloadHash,
  ].join('\n');
  return bytesToHex(sha256(utf8ToBytes(text)));
}

/** The platform changes Accept-Encoding on its way to the Worker, and says what the client had sent. */
function headerValue(request: Request, name: string): string {
  const sent = name === 'accept-encoding' ? request.cf?.clientAcceptEncoding : undefined;
  const value = typeof sent === 'string' ? sent : (request.headers.get(name) ?? '');
  return value.trim().replace(/ +/g, ' ');
}

function escaped(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
