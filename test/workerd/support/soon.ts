const PATIENCE_MS = 20_000;
const PAUSE_MS = 10;

/** What `look` finds in the end, of that which happens past an answer; null when it never comes. */
export async function soon<T>(look: () => T | null | Promise<T | null>): Promise<T | null> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await scheduler.wait(PAUSE_MS)) {
    const found = await look();
    if (found !== null) return found;
  }
  return null;
}
