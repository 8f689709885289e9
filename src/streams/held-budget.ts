/** Bytes that all answers of one isolate may hold for segments to come: it has 128 MB for everything. */
const MAX_HELD_BYTES = 48 * 1024 * 1024;
/** What an answer may hold in any case. */
const LEAST_BYTES = 2 * 1024 * 1024;
/** A reservation not set for so long no longer counts: its request may have been killed without releasing it. */
const MAX_AGE_MS = 60 * 60 * 1000;

export interface HeldReservation {
  /** Bytes that this answer may hold now. */
  available(): number;
  set(bytes: number): void;
  release(): void;
}

/** Shares memory among the answers of an isolate: who comes first may hold much, the others less. */
export function createHeldBudget(): { reserve(): HeldReservation } {
  const reservations = new Map<object, { bytes: number; at: number }>();
  return {
    reserve() {
      const mine = {};
      return {
        available() {
          let others = 0;
          for (const [owner, { bytes, at }] of reservations) {
            if (Date.now() - at > MAX_AGE_MS) reservations.delete(owner);
            else if (owner !== mine) others += bytes;
          }
          return Math.max(LEAST_BYTES, MAX_HELD_BYTES - others);
        },
        set(bytes) {
          if (bytes > 0) reservations.set(mine, { bytes, at: Date.now() });
          else reservations.delete(mine);
        },
        release: () => void reservations.delete(mine),
      };
    },
  };
}

/** What the answers of this isolate hold. */
export const heldBudget = createHeldBudget();
