const FRACTION_DIGITS = 9;
const SHAPE = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?)?$/;

/** Unix milliseconds as the API writes times: UTC with nine fraction digits. The text order is the time order. */
export function formatTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', `${'0'.repeat(FRACTION_DIGITS - 3)}Z`);
}

/** A client's time (RFC 3339, or a date, UTC unless it says otherwise) in the stored form, or null when it is not one. */
export function normaliseTime(text: string): string | null {
  const [, date, clock = '00:00', fraction = '', zone = 'Z'] = SHAPE.exec(text.trim()) ?? [];
  if (date === undefined) return null;
  const whole = Date.parse(`${date}T${clock}${zone}`);
  if (Number.isNaN(whole)) return null;
  return `${new Date(whole).toISOString().slice(0, 19)}.${fraction.slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0')}Z`;
}
