import { KeepError } from '../errors.ts';
import { decodeName, nameBytes } from './names.ts';

const MALFORMED = /%(?![0-9a-fA-F]{2})/;
const ESCAPES = /(?:%[0-9a-fA-F]{2})+/g;

/**
 * Percent-decodes text of a URL to a name or path. Bytes that are not UTF-8 become lone surrogates (see names.ts), so
 * that `%DC` reaches the name with that byte.
 * @throws KeepError bad_request when a percent sign begins no escape
 */
export function decodeUriName(text: string): string {
  if (!text.includes('%')) return text;
  if (MALFORMED.test(text)) {
    throw new KeepError('bad_request', { message: 'a percent sign in the address must be followed by two hex digits' });
  }
  // A run of escapes at a time: a character's bytes are all escaped, or none is.
  return text.replace(ESCAPES, (run) => {
    const bytes = new Uint8Array(run.length / 3);
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(run.slice(3 * i + 1, 3 * i + 3), 16);
    return decodeName(bytes);
  });
}

/** Percent-encodes a name as one component of a URL, like encodeURIComponent, and the bytes that are not UTF-8 too. */
export function encodeUriName(name: string): string {
  if (name.isWellFormed()) return encodeURIComponent(name);
  let text = '';
  let start = 0;
  for (const { index, 0: surrogate } of name.matchAll(/\p{Cs}/gu)) {
    text += encodeURIComponent(name.slice(start, index));
    for (const byte of nameBytes(surrogate)) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    start = index + surrogate.length;
  }
  return text + encodeURIComponent(name.slice(start));
}
