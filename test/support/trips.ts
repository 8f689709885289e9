/** Requests to other places and back, and which of them waited for one another. */
export interface Trips {
  /** The names of trips since `reset`, one after the other; those that were under way at the same time are one. */
  inSequence(): string[];
  take<T>(name: string, trip: () => Promise<T>): Promise<T>;
  /** A place is asked that makes trips of its own before it answers. */
  goThere(name: string): void;
  /** Until every trip is back. */
  settled(): Promise<void>;
  reset(): void;
}

export function createTrips(): Trips {
  const under = new Set<Promise<unknown>>();
  let steps: string[][] = [];
  let back = 0;
  const begin = (name: string) => {
    steps[back] = [...(steps[back] ?? []), name];
    return { step: back, of: steps };
  };
  return {
    // What is not back yet was not waited for.
    inSequence: () => steps.slice(0, back).map((names) => names.join(' + ')),
    async take(name, trip) {
      const { step, of } = begin(name);
      const taken = trip();
      under.add(taken);
      try {
        return await taken;
      } finally {
        under.delete(taken);
        if (of === steps) back = Math.max(back, step + 1);
      }
    },
    goThere(name) {
      begin(name);
      back++;
    },
    async settled() {
      while (under.size > 0) await Promise.allSettled(under);
    },
    reset() {
      steps = [];
      back = 0;
    },
  };
}
