/** Limits how many blocks are sent at once: as many as still increase the total rate. */
export interface SendLimit {
  /** Waits for a free slot and takes it. */
  enter(): Promise<void>;
  /** Frees the slot. `bytes` of the block that was sent; null when it failed. */
  leave(bytes: number | null): void;
  readonly allowed: number;
}

const BETTER = 1.05;
const WORSE = 0.85;

/**
 * Starts with two, adds one while the total rate grows, goes back when it falls, and halves when sending fails. From
 * time to time one more is tried again, because networks change.
 * @param most upper limit
 * @param now milliseconds
 */
export function createSendLimit(most: number, now: () => number = Date.now): SendLimit {
  let allowed = Math.min(2, most);
  let running = 0;
  const waiting: (() => void)[] = [];
  /** Of the current measurement. */
  let bytes = 0;
  let blocks = 0;
  let since = now();
  let best = { rate: 0, allowed };
  let settled = 0;

  const admit = () => {
    while (running < allowed && waiting.length > 0) {
      running++;
      waiting.shift()?.();
    }
  };
  const restart = () => {
    bytes = 0;
    blocks = 0;
    since = now();
  };
  const judge = () => {
    const rate = bytes / Math.max(1, now() - since);
    if (rate > best.rate * BETTER) {
      best = { rate, allowed };
      allowed = Math.min(most, allowed + 1);
    } else if (rate < best.rate * WORSE && allowed > best.allowed) {
      allowed = best.allowed;
    } else if (++settled % 8 === 0) {
      // Networks change: drop the best rate so far and try one more.
      best = { rate, allowed };
      allowed = Math.min(most, allowed + 1);
    }
    restart();
  };
  return {
    async enter() {
      if (running < allowed) {
        running++;
        return;
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave(sent) {
      running--;
      if (sent === null) {
        allowed = Math.max(1, Math.floor(allowed / 2));
        best = { rate: 0, allowed };
        restart();
      } else {
        bytes += sent;
        blocks++;
        // A measurement is two blocks for each slot.
        if (blocks >= 2 * allowed) judge();
      }
      admit();
    },
    get allowed() {
      return allowed;
    },
  };
}
