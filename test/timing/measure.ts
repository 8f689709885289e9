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
  /** Means of the faster part of the calls, nanoseconds. */
  endNs: number;
  beginningNs: number;
  /** Of the mean difference, nanoseconds: it lies within three of these. */
  errorNs: number;
  /** Of the differences in all batches: Student's t, paired. Beyond 4.5 it is no chance. */
  t: number;
}

const BATCH = 500;
const WARM_UP_BATCHES = 20;
/** Of each kind in a batch: the slowest were interrupted by something else. */
const FASTER_SHARE = 0.75;

/**
 * Times guesses of both kinds, mixed at random, `calls` a sample (calls too short for the clock need many). Like dudect
 * (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017), but kinds are compared batch by batch, so
 * that whatever else the machine does weighs on both alike.
 */
export async function measure(
  { guess, judge }: Subject,
  { batches, calls, seed }: { batches: number; calls: number; seed: number },
): Promise<Timing> {
  const random = createRandom(seed);
  const ends: number[] = [];
  const beginnings: number[] = [];
  let letIn = 0;
  for (let batch = -WARM_UP_BATCHES; batch < batches; batch++) {
    // Guesses are made beforehand, so that making one leaves no trace in the time of judging it.
    const kinds = Array.from({ length: BATCH }, () => random.oneIn(2));
    const guesses = kinds.map((isEnd) => guess(isEnd ? 'end' : 'beginning'));
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
    if (batch < 0) continue;
    ends.push(fasterMean(took.filter((_, i) => kinds[i])));
    beginnings.push(fasterMean(took.filter((_, i) => !kinds[i])));
  }
  if (letIn > 0) throw new Error('a wrong guess was let in');
  const differences = moments(ends.map((end, i) => end - (beginnings[i] ?? 0)));
  const errorNs = Math.sqrt(differences.variance / batches);
  return {
    errorNs,
    endNs: moments(ends).mean,
    beginningNs: moments(beginnings).mean,
    t: differences.mean / errorNs,
  };
}

function fasterMean(times: Float64Array): number {
  return moments([...times.sort().subarray(0, Math.ceil(times.length * FASTER_SHARE))]).mean;
}

function moments(values: number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, variance };
}
