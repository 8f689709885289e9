import * as v from 'valibot';
import { parseDuration } from '../keep/duration.ts';

const TOKEN_MIN_LENGTH = 32;
/** Go's syntax; seconds. */
export const duration = (fallback: string, mayBeNegative = false) =>
  v.optional(
    v.pipe(
      v.string(),
      v.rawTransform(({ dataset, addIssue, NEVER }) => {
        try {
          const seconds = parseDuration(dataset.value);
          if (seconds >= 0 || mayBeNegative) return seconds;
        } catch {
          // reported below
        }
        addIssue({ message: 'write a duration such as "336h", "90m" or "15s"' });
        return NEVER;
      }),
    ),
    fallback,
  );
/** `.dev.vars` and secrets only hold text: accept it where a number or a switch is meant. */
export const flag = (fallback: boolean) =>
  v.optional(
    v.pipe(
      v.union([v.boolean(), v.picklist(['true', 'false'])], 'write true or false'),
      v.transform((value) => String(value) === 'true'),
    ),
    fallback,
  );
export const count = (fallback: number) =>
  v.optional(
    v.pipe(
      v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))]),
      v.integer(),
      v.minValue(0),
    ),
    fallback,
  );
const UNITS: Record<string, number> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };
/** Bytes, `500G` or `1TB`; null when it is not set. */
export const byteCount = v.optional(
  v.pipe(
    v.union(
      [v.number(), v.pipe(v.string(), v.regex(/^(?:\d+(?:\.\d+)?\s*[KMGTP]?B?)?$/i))],
      'write bytes such as "500GB" or "2T"',
    ),
    v.transform((value) => {
      const [, number = '', unit = ''] = /^([\d.]+)\s*([KMGTP]?)/i.exec(String(value)) ?? [];
      return number === '' ? null : Math.round(Number(number) * (UNITS[unit.toUpperCase()] ?? 1));
    }),
  ),
  '',
);
export const share = (fallback: number) =>
  v.optional(
    v.pipe(
      v.union(
        [v.number(), v.pipe(v.string(), v.regex(/^(0(\.\d+)?|1(\.0+)?)$/), v.transform(Number))],
        'write a share from 0 to 1',
      ),
      v.minValue(0, 'write a share from 0 to 1'),
      v.maxValue(1, 'write a share from 0 to 1'),
    ),
    fallback,
  );
export const secret = v.pipe(
  v.string('missing: set it with `wrangler secret put`, or in .dev.vars for local runs'),
  v.regex(/^[A-Za-z0-9]+$/, 'only letters and digits'),
  v.minLength(TOKEN_MIN_LENGTH, `at least ${TOKEN_MIN_LENGTH} characters`),
);
