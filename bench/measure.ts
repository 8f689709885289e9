import { readFileSync } from 'node:fs';
import { request } from '../test/support/keep.ts';
import type { TestService } from '../test/support/service.ts';

/** Ticks per second of the times in /proc: a constant of Linux's interface. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used so far, user and system, all threads, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name may hold spaces: fields are counted after its closing bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Paired {
  /** Medians over the rounds. */
  floor: number;
  edge: number;
  /** Median of the rounds' ratios: a slow machine slows both sides of a round. */
  ratio: number;
}

/** Measures two sides in turn, A B A B, after a round of each that does not count. */
export async function inTurn(
  rounds: number,
  sides: { floor: () => Promise<number>; edge: () => Promise<number> },
): Promise<Paired> {
  await sides.floor();
  await sides.edge();
  const pairs: { floor: number; edge: number }[] = [];
  for (let round = 0; round < rounds; round++) pairs.push({ floor: await sides.floor(), edge: await sides.edge() });
  return {
    floor: median(pairs.map((pair) => pair.floor)),
    edge: median(pairs.map((pair) => pair.edge)),
    ratio: median(pairs.map((pair) => pair.edge / pair.floor)),
  };
}

/** Processor seconds of `pid` for one of `times` repetitions of `work`. */
export async function cpuPer(pid: number, times: number, work: (index: number) => Promise<void>): Promise<number> {
  const before = cpuSeconds(pid);
  for (let index = 0; index < times; index++) await work(index);
  return (cpuSeconds(pid) - before) / times;
}

/** Reads of the store that a service has counted. */
export async function storeReads({ url, managementToken }: TestService): Promise<number> {
  const { text } = await request(`${url}/metrics`, { token: managementToken });
  return Number(/^arvados_keepstore_volume_operations\{[^}]*operation="get"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}
