/** How one entry of a list ended. */
export interface Outcome {
  /** done: the entry's request is fulfilled; skipped: there was nothing to do; failed: it could not be done. */
  result: 'done' | 'skipped' | 'failed';
  /** One of a small fixed set: it becomes a metric's label. */
  reason: string;
  /** For people, with failures. Holds no token and no signature. */
  message?: string;
}

export const done = (reason: string): Outcome => ({ result: 'done', reason });
export const skipped = (reason: string): Outcome => ({ result: 'skipped', reason });
export const failed = (reason: string, message: string): Outcome => ({ result: 'failed', reason, message });
