import { resolve } from 'node:path';
import { formatBytes, formatSeconds, plural } from '../../keep/human-format.ts';
import type { Row } from '../api-client.ts';
import type { Given } from '../command.ts';
import { note, print, printJson, showName } from '../terminal.ts';
import type { Upload } from './upload.ts';
import type { Walk } from './walk.ts';

export interface Outcome {
  walk: Walk;
  bytes: number;
  work: Pick<Upload, 'counts' | 'failed'>;
  /** As the service saved it. */
  record: Row;
  /** The portable data hash that it should have, or null where that is not known. */
  expectedHash: string | null;
  /** The collection was there before, with the same contents. */
  isExisting: boolean;
  seconds: number;
}

/** Says how an upload ended. @returns the exit code */
export function report(
  { walk, bytes, work, record, expectedHash, isExisting, seconds }: Outcome,
  given: Given,
): number {
  const { counts, failed } = work;
  const failures = [...failed].map(([index, what]) => ({ path: walk.files[index]?.source ?? '', what }));
  const problems = [...walk.problems, ...failures];
  const stored = bytes - [...failed.keys()].reduce((sum, index) => sum + (walk.files[index]?.size ?? 0), 0);
  const hash = String(record.portable_data_hash);
  if (given.has('json')) {
    printJson({
      uuid: record.uuid,
      portable_data_hash: hash,
      name: record.name,
      files: walk.files.length - failures.length,
      bytes: stored,
      blocks_sent: counts.blocksSent,
      bytes_sent: counts.bytesSent,
      blocks_skipped: counts.blocksSkipped,
      seconds,
      existing: isExisting,
      ...leftOut(walk),
      problems,
    });
  } else print(given.has('portable-data-hash') ? hash : String(record.uuid));
  if (!given.has('quiet'))
    note(
      `${plural(walk.files.length - failures.length, 'file')}, ${formatBytes(stored)} in ${formatSeconds(seconds)}: ${plural(counts.blocksSent, 'block')} sent (${formatBytes(counts.bytesSent)}), ${counts.blocksSkipped} skipped`,
    );
  for (const line of remarks(walk, failures)) note(line);
  if (isExisting) note(`The collection ${record.uuid} holds the same already: no other was made.`);
  const isWrong = expectedHash !== null && hash !== expectedHash;
  if (isWrong) note(`The service says that the collection is ${hash}; it should be ${expectedHash}.`);
  return problems.length > 0 || isWrong ? 1 : 0;
}

/** Counts of what was not looked at, for the JSON result. */
export function leftOut({ skippedLinks, skippedSpecial, excluded }: Walk) {
  return { skipped_links: skippedLinks, skipped_special: skippedSpecial, excluded };
}

const MAX_SHOWN_PROBLEMS = 100;

/** Lines about what is not in the collection. */
export function remarks(walk: Walk, failures: readonly { path: string; what: string }[]): string[] {
  const { skippedLinks, skippedSpecial } = walk;
  const problems = [...walk.problems, ...failures];
  return [
    ...(skippedLinks > 0
      ? [`${plural(skippedLinks, 'symbolic link')} left out: --follow-links stores what they point to.`]
      : []),
    ...(skippedSpecial > 0 ? [`${plural(skippedSpecial, 'special file')} (sockets, pipes, devices) left out.`] : []),
    ...problems.slice(0, MAX_SHOWN_PROBLEMS).map(({ path, what }) => `NOT STORED: ${showName(resolve(path))}: ${what}`),
    ...(problems.length > MAX_SHOWN_PROBLEMS ? [`... and ${problems.length - MAX_SHOWN_PROBLEMS} more.`] : []),
    ...(problems.length > 0
      ? [
          `${plural(problems.length, 'path')} could not be stored. The same command tries again, and sends only what is missing.`,
        ]
      : []),
  ];
}
