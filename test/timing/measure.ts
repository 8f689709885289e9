import { createRandom } from '../fuzz/random.ts';

/** Something that judges a secret, and guesses of two kinds that it must refuse in the same time. */
export interface Subject {
  name: string;
  /** A fresh guess that is right but for its end, or but for its beginning: nothing but the place differs. */
  guess(wrong: 'end' | 'beginning'): string;
  /** Whether the guess was let in. */
  judge(guess: string): boolean | Promise<boolean>;
}

export interface Timing {
  /** Medians of a call, nanoseconds. */
  nearNs: number;
  farNs: number;
  /** Welch's t of the two kinds: the largest of all samples and of the fastest parts of them. */
  t: number;
}

const KINDS = ['end', 'beginning'] as const;
const BATCH = 500;
const WARM_UP_BATCHES = 20;
/** The slowest samples were interrupted by something else: shares of the fastest that are looked at, as dudect does. */
const SHARES = [0.75, 0.9, 0.95, 0.99, 1];

/**
 * Times guesses of both kinds, in random order, `calls` a sample (calls too short for the clock need many), and compares
 * them: dudect's method (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017).
 */
export async function measure(
  { guess, judge }: Subject,
  { samples, calls, seed }: { samples: number; calls: number; seed: number },
): Promise<Timing> {
  const random = createRandom(seed);
  const times = KINDS.map(() => new Float64Array(samples));
  const counts = KINDS.map(() => 0);
  let letIn = 0;
  for (let batch = 0; counts.every((count) => count < samples); batch++) {
    // Guesses are made beforehand, so that making one leaves no trace in the time of judging it.
    const kinds = Array.from({ length: BATCH }, () => random.below(KINDS.length));
    const guesses = kinds.map((kind) => guess(KINDS[kind] ?? 'end'));
    const took = new Float64Array(BATCH);
    for (const [i, text] of guesses.entries()) {
      const before = process.hrtime.bigint();
      for (let call = 0; call < calls; call++) {
        const answer = judge(text);
        // Waiting for what is there already would cost more than what is measured.
        if (typeof answer === 'boolean') letIn += Number(answer);
        else letIn += Number(await answer);
      }
      took[i] = Number(process.hrtime.bigint() - before) / calls;
    }
    if (batch < WARM_UP_BATCHES) continue;
    for (const [i, kind] of kinds.entries()) {
      const place = counts[kind] ?? 0;
      // Beyond the end it is not kept.
      if (times[kind] !== undefined) times[kind][place] = took[i] ?? 0;
      counts[kind] = Math.min(place + 1, samples);
    }
  }
  const [near = new Float64Array(), far = new Float64Array()] = times.map((all, kind) =>
    all.subarray(0, counts[kind]).sort(),
  );
  if (letIn > 0) throw new Error('a wrong guess was let in');
  const all = Float64Array.from([...near, ...far]).sort();
  const ts = SHARES.map((share) => quantile(all, share)).map((limit) => welch(below(near, limit), below(far, limit)));
  return {
    nearNs: quantile(near, 0.5),
    farNs: quantile(far, 0.5),
    t: ts.reduce((worst, t) => (Math.abs(t) > Math.abs(worst) ? t : worst), 0),
  };
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

function below(sorted: Float64Array, limit: number): Float64Array {
  return sorted.subarray(0, sorted.findLastIndex((time) => time <= limit) + 1);
}

function welch(a: Float64Array, b: Float64Array): number {
  const [left, right] = [moments(a), moments(b)];
  return (left.mean - right.mean) / Math.sqrt(left.variance / a.length + right.variance / b.length);
}

function moments(values: Float64Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, variance };
}
