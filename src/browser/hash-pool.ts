/** Workers that hash blocks beside the page. */
export interface HashPool {
  /** Hex MD5 of a block. */
  hash(block: Blob): Promise<string>;
  /** Bytes a second that one worker hashes, reading left out; null before the first block. */
  speed(): number | null;
  workers: number;
  end(): void;
}

interface Job {
  bytes: number;
  resolve: (hash: string) => void;
  reject: (error: Error) => void;
}

export function createHashPool(workers: number): HashPool {
  const jobs = new Map<number, Job>();
  let last = 0;
  const hashed = { bytes: 0, ms: 0 };
  const pool = Array.from({ length: workers }, () => {
    const worker = new Worker('/.keep-edge/assets/hash-worker.js', { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ id: number; hash?: string; ms?: number; problem?: string }>) => {
      const job = jobs.get(data.id);
      jobs.delete(data.id);
      if (data.hash === undefined) return job?.reject(new Error(`a file cannot be read: ${data.problem}`));
      hashed.bytes += job?.bytes ?? 0;
      hashed.ms += data.ms ?? 0;
      job?.resolve(data.hash);
    };
    worker.onerror = () => {
      for (const { reject } of jobs.values()) reject(new Error('the hashing worker could not be started'));
      jobs.clear();
    };
    return worker;
  });
  return {
    workers,
    speed: () => (hashed.ms === 0 ? null : (hashed.bytes / hashed.ms) * 1000),
    end: () => {
      for (const worker of pool) worker.terminate();
    },
    hash: (block) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        jobs.set(id, { bytes: block.size, resolve, reject });
        pool[id % pool.length]?.postMessage({ id, block });
      }),
  };
}
