import type { Row } from './report.ts';

/** What a file in bench/subjects exports. Add it to the list in bench/run.ts. */
export interface Subject {
  /** `npm run bench -- NAME` runs it alone. */
  name: string;
  run(context: BenchContext): Promise<Row[]>;
}

export interface BenchContext {
  /** How often the two sides of a comparison take turns. */
  rounds: number;
  /** Prints progress. */
  say(line: string): void;
  /** Processor seconds that this machine takes for the MD5 of 64 MiB with OpenSSL, measured anew each time. */
  md5Seconds(): number;
}
