import { isKeepError } from '../../src/keep/errors.ts';
import { lengthen, mutate } from './mutate.ts';
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
  /** Of them, those of tens of KiB. */
  long: number;
  accepted: number;
  refused: number;
  outcomes: number;
  /** Processor time of the slowest short input and of the slowest long one. */
  slowestMs: number;
  slowestLongMs: number;
  seconds: number;
}

export interface FuzzOptions {
  seed: number;
  inputs: number;
  limitMs: number;
  /** One input in this many is long. */
  longEvery: number;
  /** Told each input before it is tried: who watches from outside can name the one that never ended. */
  onInput?: (input: string) => void;
  onProgress?: (inputs: number) => void;
}

export class Finding extends Error {}

/** Processor time that an input of a few KiB may take, with all that is checked of it; a busy machine adds nothing. */
const MAX_SHORT_MS = 1000;
/**
 * And one of tens of KiB. What takes time in the square of its length shows here: 64 KiB are then 4 billion steps.
 */
const MAX_LONG_MS = 2000;
const MAX_CORPUS = 2000;
const NEW_SEED_BYTES = 400;

/** Tries `inputs` inputs, or as many as fit into `limitMs`. @throws Finding with the input that did it */
export async function fuzz(target: Target, options: FuzzOptions): Promise<FuzzResult> {
  const random = createRandom(options.seed);
  const corpus = [...target.seeds];
  const outcomes = new Set<string>();
  const result: FuzzResult = {
    name: target.name,
    inputs: 0,
    long: 0,
    accepted: 0,
    refused: 0,
    outcomes: 0,
    slowestMs: 0,
    slowestLongMs: 0,
    seconds: 0,
  };
  const started = performance.now();
  for (const valid of target.seeds) await attempt(valid, false);
  while (result.inputs < options.inputs && performance.now() - started < options.limitMs) {
    const isLong = result.inputs % options.longEvery === options.longEvery - 1;
    const input = isLong ? lengthen(random, corpus, target.words) : mutate(random, corpus, target.words);
    const outcome = await attempt(input, isLong);
    if (!outcomes.has(outcome) && corpus.length < MAX_CORPUS) {
      outcomes.add(outcome);
      if (input.length <= NEW_SEED_BYTES) corpus.push(input);
    }
    if (result.inputs % 100_000 === 0) options.onProgress?.(result.inputs);
  }
  return { ...result, outcomes: outcomes.size, seconds: (performance.now() - started) / 1000 };

  async function attempt(input: string, isLong: boolean): Promise<string> {
    options.onInput?.(input);
    const before = process.threadCpuUsage();
    result.inputs++;
    let outcome: string;
    try {
      const answer = target.run(input, random);
      outcome = `ok ${typeof answer === 'string' ? answer : await answer}`;
      result.accepted++;
    } catch (error) {
      const honest = isKeepError(error) && (error.status < 500 || target.refuses?.includes(error.code));
      if (!honest) throw new Finding(`${target.name}: ${show(input)}`, { cause: error });
      outcome = `${error.code} ${error.message
        .slice(0, 500)
        .replace(/"(?:[^"\\]|\\.)*"|\d+/g, '#')
        .slice(0, 120)}`;
      result.refused++;
    }
    const { user, system } = process.threadCpuUsage(before);
    const took = (user + system) / 1000;
    if (isLong) {
      result.long++;
      result.slowestLongMs = Math.max(result.slowestLongMs, took);
    } else {
      result.slowestMs = Math.max(result.slowestMs, took);
    }
    if (took > (isLong ? MAX_LONG_MS : MAX_SHORT_MS))
      throw new Finding(`${target.name} took ${took} ms of processor time: ${show(input)}`);
    return outcome;
  }
}

/** An input for people: long ones by their ends. The seed makes the whole of it again. */
export function show(input: string): string {
  if (input.length < 4096) return JSON.stringify(input);
  return `${JSON.stringify(input.slice(0, 1000))} ... (${input.length} in all) ... ${JSON.stringify(input.slice(-1000))}`;
}

/** What must hold of a result, whatever the input was. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Cuts bytes at random places: a parser of chunks must not care where. */
export function cut(random: Random, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.oneIn(2) ? 4 : bytes.length);
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
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
