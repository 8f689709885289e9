import { KeepError } from './errors.ts';

const UNIT_SECONDS: Record<string, number> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6, // U+00B5
  μs: 1e-6, // U+03BC
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};
const DURATION = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const ZERO = /^[+-]?0$/;

/**
 * Seconds in a duration as the cluster's config writes it ("336h", "1h30m", "1.5s", "0").
 * @throws KeepError bad_request
 */
export function parseDuration(text: string): number {
  if (ZERO.test(text)) return 0;
  const [, sign, terms] = DURATION.exec(text) ?? [];
  if (terms === undefined) {
    throw new KeepError('bad_request', {
      message: `not a duration: ${JSON.stringify(text)}; write it like 336h or 1h30m`,
    });
  }
  let seconds = 0;
  for (const [, amount, unit = ''] of terms.matchAll(TERM))
    seconds += Number(amount) * (UNIT_SECONDS[unit] ?? Number.NaN);
  return sign === '-' ? -seconds : seconds;
}
