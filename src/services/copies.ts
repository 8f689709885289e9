/** Copies that a write has stored so far. */
export interface PutProgress {
  replicas: number;
  /** Copies per storage class; null once a service did not say (then only replicas count). */
  classes: Record<string, number> | null;
}

export interface PutGoal {
  replicas: number;
  storageClasses: readonly string[];
}

export const NOTHING_STORED: PutProgress = { replicas: 0, classes: {} };

/** Adds what a service confirms (docs/protocol/blocks.md#storage-classes). */
export function addStored(progress: PutProgress, headers: Headers): PutProgress {
  const confirmed = confirmedClasses(headers.get('X-Keep-Storage-Classes-Confirmed'));
  const classes = progress.classes === null || confirmed === null ? null : { ...progress.classes };
  for (const [name, count] of confirmed ?? []) if (classes !== null) classes[name] = (classes[name] ?? 0) + count;
  return { replicas: progress.replicas + storedReplicas(headers), classes };
}

/** Copies that still have to be stored, to reach the total or the number in each storage class. */
export function missingCopies(progress: PutProgress, goal: PutGoal): number {
  const { classes } = progress;
  const perClass = classes === null ? [] : goal.storageClasses.map((name) => goal.replicas - (classes[name] ?? 0));
  return Math.max(0, goal.replicas - progress.replicas, ...perClass);
}

/** The classes to ask the next service for. */
export function missingClasses({ classes }: PutProgress, goal: PutGoal): string[] {
  if (classes === null) return [...goal.storageClasses];
  return goal.storageClasses.filter((name) => (classes[name] ?? 0) < goal.replicas);
}

/** `X-Keep-Replicas-Stored`: given several times, the counts add up; 1 when absent or unreadable. */
function storedReplicas(headers: Headers): number {
  const counts = (headers.get('X-Keep-Replicas-Stored') ?? '').split(',').map((text) => text.trim());
  return counts.every((text) => /^\d+$/.test(text)) ? counts.reduce((sum, text) => sum + Number(text), 0) : 1;
}

/**
 * `a=2, b=1`, as the Python SDK reads it: an entry without `=` confirms nothing. Null when the header is missing or a
 * count is no number: then the service does not tell classes apart.
 */
function confirmedClasses(header: string | null): [string, number][] | null {
  if (header === null) return null;
  const entries = header.split(',').flatMap((entry): [string, string][] => {
    const [name = '', count] = entry.replaceAll(' ', '').split('=');
    return count === undefined ? [] : [[name, count]];
  });
  if (!entries.every(([, count]) => /^[+-]?\d+$/.test(count))) return null;
  return entries.map(([name, count]) => [name, Math.max(0, Number(count))]);
}
