import { parentPort, workerData } from 'node:worker_threads';
import { Finding, type FuzzOptions, fuzz } from './target.ts';
import { TARGETS } from './targets/all.ts';

/** One parser under attack in a thread of its own: its parent can still tell which input never ended. */
export interface WorkerData {
  name: string;
  options: Omit<FuzzOptions, 'onInput' | 'onProgress'>;
  /** A count of inputs, the length of the present one, and its UTF-8 as far as it fits. */
  shared: SharedArrayBuffer;
}

const { name, options, shared } = workerData as WorkerData;
const target = TARGETS.find((one) => one.name === name);
if (target === undefined) throw new Error(`no such parser: ${name}`);
const counts = new Int32Array(shared, 0, 2);
const text = new Uint8Array(shared, 8);
const encoder = new TextEncoder();
try {
  const result = await fuzz(target, {
    ...options,
    onInput: (input) => {
      counts[1] = encoder.encodeInto(input, text).written;
      counts[0] = (counts[0] ?? 0) + 1;
    },
  });
  parentPort?.postMessage({ result });
} catch (error) {
  if (!(error instanceof Finding)) throw error;
  parentPort?.postMessage({ finding: error.message, cause: describe(error.cause) });
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? '');
}
