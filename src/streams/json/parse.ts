import { KeepError } from '../../keep/errors.ts';

/** Texts without these hold no number that JSON.parse would change: nothing to look for. */
const MAY_LOSE_DIGITS = /\d{16}|[eE]\+?\d{3}/;
/** Strings, which are passed over, and numbers that are long enough. */
const LONG_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]{4,}/g;
const INTEGER = /^-?\d+$/;

/**
 * JSON.parse that changes no number silently. Not with a reviver, which takes five times as long, and fails where values
 * are nested deep.
 * @throws SyntaxError
 * @throws KeepError invalid_record (422) for an integer beyond 2^53 that has no exact value here, or a number that is too large
 */
export function parseJson(text: string): unknown {
  const value = JSON.parse(text) as unknown;
  if (!MAY_LOSE_DIGITS.test(text)) return value;
  for (const [source] of text.matchAll(LONG_NUMBERS))
    if (!source.startsWith('"') && losesDigits(Number(source), source))
      throw new KeepError('invalid_record', {
        message: 'integers beyond 2^53 are not kept exactly: send them as text',
      });
  return value;
}

function losesDigits(value: number, source: string): boolean {
  return !Number.isFinite(value) || (INTEGER.test(source) && !Number.isSafeInteger(value) && String(value) !== source);
}
