import { readFileSync } from 'node:fs';
import type { TestService } from '../support/service.ts';
import { type Heap, ISOLATES, openHeap } from './heap.ts';

/** MiB: medians of the second and of the last quarter of a run, and the most ever. */
export interface Level {
  early: number;
  late: number;
  peak: number;
}

/** What the Worker's isolate holds after a collection (heap and buffers), and beside it what only a local run has. */
export interface MemoryFigures {
  worker: Level;
  /** Isolates of the simulators of R2, D1 and the cache. */
  simulators: Level;
  /** The one process in which all of them run, and the databases' pages. */
  resident: Level;
}

export interface MemoryWatch {
  /** One line. */
  now(): string;
  end(): Promise<MemoryFigures>;
}

const SAMPLE_MS = 5000;

/** Takes samples of the memory of a service that was started with its inspector. */
export async function watchMemory(service: TestService): Promise<MemoryWatch> {
  const { inspectorUrl } = service;
  if (inspectorUrl === null) throw new Error('start the service with `inspect`');
  const names = Object.keys(ISOLATES) as (keyof typeof ISOLATES)[];
  const heaps: [string, Heap][] = [];
  for (const name of names) heaps.push([name, await openHeap(inspectorUrl, name)]);
  const samples: Record<keyof MemoryFigures, number[]> = { worker: [], simulators: [], resident: [] };
  const sample = async () => {
    let [worker, simulators] = [0, 0];
    for (const [name, open] of heaps) {
      const { heap, external } = await open.usage();
      if (name === 'worker') worker += heap + external;
      else simulators += heap + external;
    }
    samples.worker.push(worker);
    samples.simulators.push(simulators);
    samples.resident.push(residentMiB(service.workerdPid));
  };
  let running = sample();
  const timer = setInterval(() => {
    running = running.then(sample);
  }, SAMPLE_MS);
  const last = (figures: number[]) => Math.round(figures.at(-1) ?? 0);
  return {
    now: () =>
      `Worker ${last(samples.worker)} MiB, simulators ${last(samples.simulators)}, process ${last(samples.resident)}`,
    async end() {
      clearInterval(timer);
      await running;
      for (const [, open] of heaps) open.close();
      return {
        worker: levelOf(samples.worker),
        simulators: levelOf(samples.simulators),
        resident: levelOf(samples.resident),
      };
    },
  };
}

function levelOf(figures: number[]): Level {
  const quarter = Math.floor(figures.length / 4);
  return {
    early: median(figures.slice(quarter, 2 * quarter)),
    late: median(figures.slice(3 * quarter)),
    peak: oneDigit(Math.max(...figures)),
  };
}

function median(figures: number[]): number {
  return oneDigit([...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0);
}

const oneDigit = (figure: number) => Math.round(figure * 10) / 10;

export function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}
