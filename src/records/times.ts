const FRACTION_DIGITS = 9;
const SHAPE = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?)?$/;
/** Years 1 to 9999, UTC: beyond them texts have other lengths and no longer sort as times do. */
const EARLIEST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Unix milliseconds as the API writes times: UTC with nine fraction digits. The text order is the time order. Times
 * before the year 1 or after 9999 become the first or last one.
 */
export function formatTime(milliseconds: number): string {
  const kept = Math.min(Math.max(milliseconds, EARLIEST_MS), LATEST_MS);
  return new Date(kept).toISOString().replace('Z', `${'0'.repeat(FRACTION_DIGITS - 3)}Z`);
}

/**
 * A client's time (RFC 3339, or a date, UTC unless it says otherwise) in the stored form. Null when it is not a time, not
 * in the calendar (February 30), or not in the years 1 to 9999 UTC.
 */
export function normaliseTime(text: string): string | null {
  const [, date, clock = '00:00', fraction = '', zone = 'Z'] = SHAPE.exec(text.trim()) ?? [];
  if (date === undefined || !isInCalendar(date)) return null;
  const whole = Date.parse(`${date}T${clock}${zone}`);
  // Not `<`: NaN is outside too.
  if (!(whole >= EARLIEST_MS && whole <= LATEST_MS)) return null;
  return `${new Date(whole).toISOString().slice(0, 19)}.${fraction.slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0')}Z`;
}

/** Unix milliseconds of an expiry; null for none. A text that is not a time counts as expired: negative infinity. */
export function expiryOf(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null;
  const time = normaliseTime(text);
  return time === null ? Number.NEGATIVE_INFINITY : Date.parse(time);
}

/** An SQL condition: the column holds a time in the stored form, so that it compares as text. D1's patterns have at most 50 bytes. */
export function isStoredTime(column: string): string {
  return `${column} GLOB '[0-9][0-9][0-9][0-9]-??-??T??:??:??.?????????Z'`;
}

/** `Date.parse` takes February 30 for March 2. */
function isInCalendar(date: string): boolean {
  const time = new Date(`${date}T00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(date);
}
