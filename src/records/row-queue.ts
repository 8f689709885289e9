/** Rows for a table of facts, written in batches so that no request waits for the database. */
export interface RowQueue<T> {
  /** Queues a row and returns at once; it is written after about FLUSH_DELAY_MS, together with others. */
  add(row: T, waitUntil: (work: Promise<unknown>) => void): void;
  /** Writes the queued rows of this isolate and waits for writes under way. @throws Error when the database fails: the rows stay queued. */
  flush(): Promise<void>;
}

export interface RowQueueOptions<T> {
  /** Writes some rows with one statement. */
  write: (rows: T[]) => Promise<unknown>;
  rowsPerWrite: number;
  /** Rows beyond these are dropped while the database fails. Default: none are. */
  maxWaiting?: number;
  /** Called for each row that is dropped. */
  onDropped?: () => void;
  sleep: (milliseconds: number) => Promise<void>;
  /** Default: Unix milliseconds. */
  now?: () => number;
}

/** Rows within this time share one statement. */
const FLUSH_DELAY_MS = 200;
/** A request that has not begun to write by then was cut off. */
const CUT_OFF_MS = 1000;
const POLL_MS = 20;
const MAX_WAIT_MS = 5000;
const RETRY_DELAYS_MS = [0, 500, 2000, 8000];

/**
 * The first request that adds a row stays alive (`waitUntil`) until that is written, with all that others added
 * meanwhile: a timer and a context for each of them would cost more than the rows. So an isolate that shuts down in order
 * has written everything; one that is killed loses what was added in the last fifth of a second, or since the database
 * has failed. If the one request is cut off, the next one that adds a row writes for it. A failed write puts its rows back.
 */
export function createRowQueue<T>(options: RowQueueOptions<T>): RowQueue<T> {
  const { write, rowsPerWrite, maxWaiting = Number.POSITIVE_INFINITY, onDropped, sleep, now = Date.now } = options;
  let waiting: T[] = [];
  /** Statements under way, those of other requests included: a promise of another request cannot be awaited here. */
  let writing = 0;
  /** Until then a request waits to write what is added. */
  let awaitedUntil = 0;

  async function flush(): Promise<void> {
    await writeAll();
    for (let waited = 0; writing > 0 && waited < MAX_WAIT_MS; waited += POLL_MS) await sleep(POLL_MS);
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const rows = waiting.slice(0, rowsPerWrite);
      waiting = waiting.slice(rowsPerWrite);
      writing++;
      try {
        await write(rows);
      } catch (error) {
        waiting = [...rows, ...waiting];
        throw error;
      } finally {
        writing--;
      }
    }
  }

  async function flushSoon(): Promise<void> {
    await sleep(FLUSH_DELAY_MS);
    awaitedUntil = 0;
    for (const [attempt, delay] of RETRY_DELAYS_MS.entries()) {
      await sleep(delay);
      try {
        return await writeAll();
      } catch (error) {
        if (attempt === RETRY_DELAYS_MS.length - 1) throw error;
      }
    }
  }

  return {
    add(row, waitUntil) {
      if (waiting.length < maxWaiting) waiting.push(row);
      else onDropped?.();
      if (now() < awaitedUntil) return;
      // Also when it was dropped: the database may work again.
      awaitedUntil = now() + CUT_OFF_MS;
      waitUntil(flushSoon());
    },
    flush,
  };
}
