import { KeepError } from '../keep/errors.ts';

/** Bytes that all answers of one isolate may hold for what they send: it has 128 MB for everything. */
const MAX_HELD_BYTES = 48 * 1024 * 1024;
/** So little is never refused. */
const SMALL_BYTES = 64 * 1024;

export interface HeldReservation {
  /** Bytes that this answer may hold now, what it holds already included; none when others hold all. */
  available(): number;
  /** What it holds of those. */
  set(bytes: number): void;
  /**
   * Adds what an answer cannot do without, and holds until it ends.
   * @throws KeepError unavailable when others hold so much that it has no room
   */
  require(bytes: number): void;
  /** As `require`, but waits for others to end. */
  wait(bytes: number, signal?: AbortSignal): Promise<void>;
  release(): void;
}

const POLL_MS = 10;
const MAX_WAIT_MS = 10_000;

/**
 * Shares memory among the answers of an isolate: who comes first may hold much, the others less. What a request held that was
 * killed is free again once its reservation has been collected.
 */
/** @param most bytes for all together */
export function createHeldBudget(most: number = MAX_HELD_BYTES): { reserve(): HeldReservation } {
  const held = new Map<symbol, number>();
  let total = 0;
  const put = (key: symbol, bytes: number) => {
    total += bytes - (held.get(key) ?? 0);
    if (bytes > 0) held.set(key, bytes);
    else held.delete(key);
  };
  const forgotten = new FinalizationRegistry<symbol>((key) => put(key, 0));
  return {
    reserve() {
      const key = Symbol('answer');
      let fixed = 0;
      let flexible = 0;
      const reservation: HeldReservation = {
        available: () => Math.max(0, most - (total - flexible)),
        set(bytes) {
          flexible = bytes;
          put(key, fixed + flexible);
        },
        require(bytes) {
          if (fixed + bytes > SMALL_BYTES && total + bytes > most)
            throw new KeepError('unavailable', { message: 'too many large requests are under way: try again' });
          fixed += bytes;
          put(key, fixed + flexible);
        },
        async wait(bytes, signal) {
          const until = Date.now() + MAX_WAIT_MS;
          while (total + bytes > most && Date.now() < until) {
            // Polled: a promise of another request may never settle in this one.
            await new Promise((resolve) => setTimeout(resolve, POLL_MS));
            signal?.throwIfAborted();
          }
          reservation.require(bytes);
        },
        release() {
          fixed = 0;
          flexible = 0;
          put(key, 0);
        },
      };
      forgotten.register(reservation, key);
      return reservation;
    },
  };
}

/** What the answers of this isolate hold. */
export const heldBudget = createHeldBudget();
