import { setTimeout } from 'node:timers/promises';
import type { AdoptionCounts } from '../../gateways/adoption.ts';
import type { Estimate } from '../../gateways/costs.ts';
import { plural } from '../../keep/human-format.ts';
import type { Api } from '../api-client.ts';
import { type Progress, showProgress } from '../progress.ts';

/** An adoption as the service tells it. */
export interface JobRecord extends Record<string, unknown> {
  id: string;
  gateway: string;
  gateway_name: string;
  source: string;
  mode: string;
  hashing: string;
  phase: string;
  message: string;
  counts: AdoptionCounts;
  estimate: Estimate;
  storage_class: string;
  replication: number;
  collections: Record<string, string>;
  problems: { key: string; problem: string }[];
}

const FIRST_POLL_MS = 100;
const MAX_POLL_MS = 2000;
const OVER = new Set(['done', 'failed', 'cancelled']);

/** Asks until it is over, and shows how far it has come. */
export async function follow(api: Api, id: string): Promise<JobRecord> {
  let job = await statusOf(api, id);
  let progress: Progress | null = null;
  try {
    for (let pauseMs = FIRST_POLL_MS; !OVER.has(job.phase); pauseMs = Math.min(MAX_POLL_MS, 1.5 * pauseMs)) {
      progress ??= showProgress(() => standingOf(job));
      await setTimeout(pauseMs);
      job = await statusOf(api, id);
    }
  } finally {
    progress?.stop();
  }
  return job;
}

export async function statusOf(api: Api, id: string): Promise<JobRecord> {
  return (await api(`keep-edge/v1/adoptions/${id}`)) as JobRecord;
}

function standingOf({ phase, counts: c, message }: JobRecord) {
  const why = message === '' ? '' : `, ${message}`;
  if (phase === 'listing')
    return { bytesDone: c.bytes, bytesTotal: null, bytesMoved: 0, note: `${plural(c.objects, 'object')} listed${why}` };
  if (phase === 'copying')
    return {
      bytesDone: c.copiedBlocks,
      bytesTotal: c.copyBlocks,
      bytesMoved: 0,
      note: `${c.copiedBlocks} of ${plural(c.copyBlocks, 'block')} copied${why}`,
    };
  return {
    bytesDone: c.hashedBytes,
    bytesTotal: Math.max(c.hashedBytes, c.readBytes),
    bytesMoved: c.hashedBytes,
    note: `${c.adoptedObjects.toLocaleString('en-US')} of ${plural(c.fresh + c.changed, 'object')} adopted${why}`,
  };
}
