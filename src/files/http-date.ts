const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY = '(?:mon|tues|wednes|thurs|fri|satur|sun)day';
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<hours>\\d\\d):(?<minutes>\\d\\d):(?<seconds>\\d\\d)';

/** The three forms of RFC 9110 5.6.7: the current one, RFC 850, and that of asctime. */
const FORMS = [
  `${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT`,
  `${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT`,
  `${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})`,
].map((form) => new RegExp(`^${form}$`, 'i'));

/** Two digits of a year from here on are of the last century. */
const FIRST_YEAR_OF_1900S = 69;

/**
 * The date of a header in Unix milliseconds; null for anything that is not an HTTP date, which is to be ignored.
 * (Date.parse takes `2094` and `garbage 9999` for dates, and moves 30 February into March.)
 */
export function httpDate(text: string | null): number | null {
  for (const form of text === null ? [] : FORMS) {
    const groups = form.exec(text?.trim() ?? '')?.groups;
    if (groups === undefined) continue;
    const [day, hours, minutes, seconds] = [groups.day, groups.hours, groups.minutes, groups.seconds].map(Number);
    const month = MONTHS.indexOf((groups.month ?? '').toLowerCase());
    const time = new Date(0);
    time.setUTCFullYear(fullYear(groups.year ?? ''), month, day);
    time.setUTCHours(hours ?? 0, minutes, seconds);
    const isReal =
      time.getUTCDate() === day &&
      time.getUTCMonth() === month &&
      time.getUTCHours() === hours &&
      time.getUTCMinutes() === minutes;
    return isReal ? time.getTime() : null;
  }
  return null;
}

function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 4) return year;
  return year >= FIRST_YEAR_OF_1900S ? 1900 + year : 2000 + year;
}
