import { parentPort } from 'node:worker_threads';
import { type BlockJob, runBlockJob } from './block-jobs.ts';

/** A thread of the pool in block-pool.ts: runs one job after the other. */
parentPort?.on('message', (job: BlockJob) => {
  try {
    const result = runBlockJob(job);
    parentPort?.postMessage({ result }, [result.buffer]);
  } catch (error) {
    parentPort?.postMessage({ error, buffer: job.buffer }, [job.buffer]);
  }
});
