import { describeError } from '../keep/redact.ts';
import { clearUnnamed } from '../queues/emptier.ts';
import type { Dependencies } from './composition.ts';

/** The cron trigger may take 15 minutes in all. */
const EMPTYING_MS = 600_000;

/** What the cron trigger does, every time. A job that fails does not keep the others from running. */
const JOBS: [name: string, run: (deps: Dependencies) => Promise<void>][] = [
  ['wake queues', wakeQueues],
  ['wake webhooks', async ({ api }) => (api?.mode === 'embedded' ? api.webhooks.wake() : undefined)],
  ['wake the balancer', async ({ balancing }) => balancing?.().wake()],
  ['empty trash', emptyTrash],
  ['empty STAGING', async ({ staging }) => (staging === null ? undefined : clearUnnamed(staging, Date.now()))],
  ['refresh the service directory', (deps) => deps.directory.refresh()],
  ['keep backups', async ({ backups }) => backups?.keepUp()],
  ['sweep collections', (deps) => deps.sweepCollections()],
];

/** @throws the first failure, when all jobs have ended */
export async function runJobs(deps: Dependencies): Promise<void> {
  const results = await Promise.allSettled(JOBS.map(([, run]) => run(deps)));
  const failures = results.flatMap((result, i) =>
    result.status === 'rejected' ? [{ job: JOBS[i]?.[0], reason: result.reason as unknown }] : [],
  );
  for (const { job, reason } of failures) {
    const line = {
      level: 'error',
      time: new Date().toISOString(),
      msg: 'job failed',
      job,
      error: describeError(reason),
    };
    // biome-ignore lint/suspicious/noConsole: this is the log
    console.log(JSON.stringify(line));
  }
  if (failures[0] !== undefined) throw failures[0].reason;
}

/** An alarm can be lost; the rows it was set for are not. */
async function wakeQueues({ queues }: Dependencies): Promise<void> {
  await Promise.all([queues?.pull.wake(), queues?.trash.wake(), queues?.repair?.wake()]);
}

/** In slices, because each is an invocation with limits of its own. When time runs out, the next trigger continues. */
async function emptyTrash({ queues }: Dependencies): Promise<void> {
  const until = Date.now() + EMPTYING_MS;
  while (queues !== null && Date.now() < until && (await queues.trash.emptyTrash()));
}
