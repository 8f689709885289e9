import { KeepError } from '../keep/errors.ts';

/** Bytes that all answers of one isolate may hold for what they send. */
const MAX_HELD_BYTES = 48 * 1024 * 1024;

/** What several budgets may hold together, and hold. Bytes. */
export interface SharedTotal {
  most: number;
  total: number;
}

/** For all budgets of an isolate: it has 128 MB, of which caches have about half. */
export const isolateMemory: SharedTotal = { most: 64 * 1024 * 1024, total: 0 };
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
 * killed is free again once its reservation has been collected. Several budgets keep one kind of requests from using up what
 * others need; all of them together are bounded as well.
 * @param most bytes of this budget
 * @param all what it has with others together
 */
export function createHeldBudget(
  most: number = MAX_HELD_BYTES,
  all: SharedTotal = { most, total: 0 },
): { reserve(): HeldReservation } {
  const held = new Map<symbol, number>();
  let total = 0;
  const put = (key: symbol, bytes: number) => {
    const more = bytes - (held.get(key) ?? 0);
    total += more;
    all.total += more;
    if (bytes > 0) held.set(key, bytes);
    else held.delete(key);
  };
  const hasRoom = (bytes: number) => total + bytes <= most && all.total + bytes <= all.most;
  const forgotten = new FinalizationRegistry<symbol>((key) => put(key, 0));
  return {
    reserve() {
      const key = Symbol('answer');
      let fixed = 0;
      let flexible = 0;
      const reservation: HeldReservation = {
        available: () => Math.max(0, flexible + Math.min(most - total, all.most - all.total)),
        set(bytes) {
          flexible = bytes;
          put(key, fixed + flexible);
        },
        require(bytes) {
          if (fixed + bytes > SMALL_BYTES && !hasRoom(bytes))
            throw new KeepError('unavailable', { message: 'too many large requests are under way: try again' });
          fixed += bytes;
          put(key, fixed + flexible);
        },
        async wait(bytes, signal) {
          const until = Date.now() + MAX_WAIT_MS;
          while (!hasRoom(bytes) && Date.now() < until) {
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
export const heldBudget = createHeldBudget(MAX_HELD_BYTES, isolateMemory);

/** Of what is left the next one takes this share where it can do with less. */
const SHARE = 1 / 32;

/** Bytes to hold from now on: the fewer, the more is held already. @param least in any case */
export function holdShare(held: HeldReservation, most: number, least: number): number {
  const bytes = Math.min(most, Math.max(least, Math.floor(held.available() * SHARE)));
  held.set(bytes);
  return bytes;
}
