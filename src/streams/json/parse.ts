import { KeepError } from '../../keep/errors.ts';

/** Texts without these hold no number that JSON.parse would change: nothing to look for. */
const MAY_LOSE_DIGITS = /\d{16}|[eE]\+?\d{3}/;
const INTEGER = /^-?\d+$/;

/** What a reviver is given beside key and value; TypeScript does not know it yet. */
type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/**
 * JSON.parse that changes no number silently.
 * @throws SyntaxError
 * @throws KeepError invalid_record (422) for an integer beyond 2^53 that has no exact value here, or a number that is too large
 */
export function parseJson(text: string): unknown {
  if (!MAY_LOSE_DIGITS.test(text)) return JSON.parse(text) as unknown;
  const check: Reviver = (_, value, context) => {
    if (typeof value === 'number' && losesDigits(value, context?.source ?? ''))
      throw new KeepError('invalid_record', {
        message: 'integers beyond 2^53 are not kept exactly: send them as text',
      });
    return value;
  };
  return JSON.parse(text, check) as unknown;
}

function losesDigits(value: number, source: string): boolean {
  return !Number.isFinite(value) || (INTEGER.test(source) && !Number.isSafeInteger(value) && String(value) !== source);
}
