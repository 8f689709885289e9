import { createHeldBudget, type HeldReservation, holdShare, isolateMemory } from './held-budget.ts';

/** Of users: records and manifests. */
export const userBodies = createHeldBudget(24 * 1024 * 1024, isolateMemory);
/** Small blocks, and the chunks of larger ones that script sees. */
export const blockBodies = createHeldBudget(16 * 1024 * 1024, isolateMemory);

/** What one body may hold in any case: 500 take 16 MiB. */
const LEAST_BYTES = 32 * 1024;

/** Whether there is room for the whole of a body. It is held then. */
export function tryHold(held: HeldReservation, bytes: number): boolean {
  if (bytes > LEAST_BYTES && bytes > held.available()) return false;
  held.set(bytes);
  return true;
}

/** Bytes of a body to hold at a time, which are held from now on: the fewer, the more bodies are under way. */
export function fitChunk(held: HeldReservation, most: number): number {
  return holdShare(held, most, LEAST_BYTES);
}
