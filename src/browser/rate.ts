const WINDOW_MS = 15_000;

/** Bytes a second over the last seconds: a pause, and what was not sent, count for nothing. */
export function createRate() {
  const seen: { at: number; bytes: number }[] = [];
  let since: number | null = null;
  return {
    add(bytes: number, now: number): void {
      since ??= now;
      seen.push({ at: now, bytes });
    },
    /** Null before anything was sent. */
    value(now: number): number | null {
      while (seen[0] !== undefined && seen[0].at < now - WINDOW_MS) seen.shift();
      if (since === null) return null;
      const seconds = Math.min(now - since, WINDOW_MS) / 1000;
      return seconds < 0.5 ? null : seen.reduce((sum, { bytes }) => sum + bytes, 0) / seconds;
    },
  };
}
