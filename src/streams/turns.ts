/**
 * Gives other requests of the isolate their turn during long synchronous work. Work is counted, not timed: on the
 * platform the clock stands still while script runs.
 *
 * @param units of work between two turns, some milliseconds of it
 * @returns called for each unit: a promise to await when it is time for a turn
 */
export function takeTurns(units: number): () => Promise<void> | undefined {
  let done = 0;
  return () => {
    if (++done < units) return undefined;
    done = 0;
    return new Promise((resolve) => setTimeout(resolve, 0));
  };
}
