/** Numbers, sizes and times as people read them. */

/** Powers of 1024, three digits. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `1 file`, `2,000 files`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** An RFC 3339 time to the minute, in UTC; '' for none. */
export function formatTime(time: unknown): string {
  return typeof time === 'string' && time !== '' ? `${time.slice(0, 10)} ${time.slice(11, 16)} UTC` : '';
}

/** How long ago, in one word and a number; '' for none. @param now Unix milliseconds */
export function formatAge(time: unknown, now: number): string {
  if (typeof time !== 'string' || time === '') return '';
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${formatCount(Math.floor(seconds / 60), 'minute')} ago`;
  if (seconds < 86_400) return `${formatCount(Math.floor(seconds / 3600), 'hour')} ago`;
  if (seconds < 30 * 86_400) return `${formatCount(Math.floor(seconds / 86_400), 'day')} ago`;
  return time.slice(0, 10);
}
