import { MAX_BLOCK_BYTES } from '../keep/limits.ts';

/** A transfer that stays below the rate for the whole window is broken off; there is no limit on its total time. */
export interface TransferLimits {
  bytesPerSecond: number;
  windowMs: number;
}

export const SDK_TRANSFER_LIMITS: TransferLimits = { bytesPerSecond: 32_768, windowMs: 64_000 };

/** Looks at one transfer, from the request to the last byte. */
export interface TransferWatch {
  /** Bytes that went over the wire since the last call. */
  progress(bytes: number): void;
  /** From here on the server waits for us: that time does not count. */
  pause(): void;
  /** We wait for the server again. */
  resume(): void;
  stop(): void;
}

const SLOTS = 8;

/** Calls `onStall` once when fewer than `bytesPerSecond * window` bytes came in any window (to an eighth of it) of waiting. */
export function watchTransfer({ bytesPerSecond, windowMs }: TransferLimits, onStall: () => void): TransferWatch {
  const wanted = (bytesPerSecond * windowMs) / 1000;
  const slots: number[] = [];
  let current = 0;
  let waiting = true;
  const timer = setInterval(() => {
    if (!waiting) return;
    slots.push(current);
    current = 0;
    if (slots.length > SLOTS) slots.shift();
    if (slots.length < SLOTS || slots.reduce((sum, bytes) => sum + bytes) >= wanted) return;
    clearInterval(timer);
    onStall();
  }, windowMs / SLOTS);
  return {
    progress(bytes) {
      current += bytes;
    },
    pause() {
      waiting = false;
    },
    resume() {
      waiting = true;
    },
    stop: () => clearInterval(timer),
  };
}

const FOLLOW_EVERY_MS = 1_000;

/**
 * Reports to a watch the bytes of a body that other code reads.
 * @param received all of them so far
 * @returns call it to stop
 */
export function followBytes(watch: TransferWatch, received: () => number): () => void {
  let seen = received();
  const timer = setInterval(() => {
    const now = received();
    watch.progress(now - seen);
    seen = now;
  }, FOLLOW_EVERY_MS);
  return () => clearInterval(timer);
}

/**
 * For transfers whose progress can't be seen: as much time as one at the lowest rate takes.
 * @param size bytes; null for a block of any size
 */
export function limitsBySize({ bytesPerSecond, windowMs }: TransferLimits, size: number | null): TransferLimits {
  return { bytesPerSecond: 1, windowMs: windowMs + ((size ?? MAX_BLOCK_BYTES) / bytesPerSecond) * 1000 };
}
