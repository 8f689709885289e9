import { isKeepError } from '../../src/keep/errors.ts';
import { mutate } from './mutate.ts';
import { createRandom, type Random } from './random.ts';

/** One parser under attack. */
export interface Target {
  name: string;
  /** Valid inputs to start from. */
  seeds: readonly string[];
  /** Words of the format. */
  words: readonly string[];
  /**
   * Parses one input and checks what must hold of the result. May throw KeepErrors whose status is below 500 (or that
   * `refuses` allows); anything else that is thrown is a finding. The answer names the kind of outcome: an input
   * with a new one joins the corpus, which is what leads the search into corners.
   */
  run(input: string, random: Random): string | Promise<string>;
  /** Error codes from 500 on that are an honest answer to bad input here. */
  refuses?: readonly string[];
}

export interface FuzzResult {
  name: string;
  inputs: number;
  accepted: number;
  refused: number;
  outcomes: number;
  slowestMs: number;
  seconds: number;
}

export class Finding extends Error {}

/** No input of a few KiB may take longer; far above what a busy machine adds. */
const HANG_MS = 5000;
const MAX_CORPUS = 2000;
const NEW_SEED_BYTES = 400;

/** Tries `inputs` inputs, or as many as fit into `limitMs`. @throws Finding with the input that did it */
export async function fuzz(
  target: Target,
  options: { seed: number; inputs: number; limitMs: number; onProgress?: (inputs: number) => void },
): Promise<FuzzResult> {
  const random = createRandom(options.seed);
  const corpus = [...target.seeds];
  const outcomes = new Set<string>();
  const result = { name: target.name, inputs: 0, accepted: 0, refused: 0, outcomes: 0, slowestMs: 0, seconds: 0 };
  const started = performance.now();
  for (const valid of target.seeds) await attempt(valid);
  while (result.inputs < options.inputs && performance.now() - started < options.limitMs) {
    const input = mutate(random, corpus, target.words);
    const outcome = await attempt(input);
    if (!outcomes.has(outcome) && corpus.length < MAX_CORPUS) {
      outcomes.add(outcome);
      if (input.length <= NEW_SEED_BYTES) corpus.push(input);
    }
    if (result.inputs % 100_000 === 0) options.onProgress?.(result.inputs);
  }
  return { ...result, outcomes: outcomes.size, seconds: (performance.now() - started) / 1000 };

  async function attempt(input: string): Promise<string> {
    const before = performance.now();
    result.inputs++;
    let outcome: string;
    try {
      const answer = target.run(input, random);
      outcome = `ok ${typeof answer === 'string' ? answer : await answer}`;
      result.accepted++;
    } catch (error) {
      const honest = isKeepError(error) && (error.status < 500 || target.refuses?.includes(error.code));
      if (!honest) throw new Finding(`${target.name}: ${JSON.stringify(input)}`, { cause: error });
      outcome = `${error.code} ${error.message.replace(/"(?:[^"\\]|\\.)*"|\d+/g, '#').slice(0, 120)}`;
      result.refused++;
    }
    const took = performance.now() - before;
    if (took > result.slowestMs) result.slowestMs = took;
    if (took > HANG_MS) throw new Finding(`${target.name} took ${took} ms: ${JSON.stringify(input)}`);
    return outcome;
  }
}

/** What must hold of a result, whatever the input was. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Cuts bytes at random places: a parser of chunks must not care where. */
export function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.oneIn(2) ? 4 : bytes.length);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/** How a call came out: its value, or the code of the KeepError it threw. */
export function outcomeOf<T>(call: () => T): { value: T } | { code: string } {
  try {
    return { value: call() };
  } catch (error) {
    if (isKeepError(error)) return { code: error.code };
    throw error;
  }
}
