import type { Readable } from 'node:stream';
import { plural } from '../../keep/human-format.ts';
import { bareLocator } from '../../keep/locator.ts';
import { usageError } from '../cli-error.ts';
import { loadManifest } from '../collection.ts';
import type { Given } from '../command.ts';
import { onInterrupt } from '../interrupt.ts';
import { listManifest } from '../listing.ts';
import { showProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import { note } from '../terminal.ts';
import type { Checkpoint } from './checkpoint.ts';
import { prepareGoal } from './goal.ts';
import { refuseClashes } from './references.ts';
import { report } from './report.ts';
import { DEFAULT_JOBS, MAX_JOBS, SAVE_EVERY_SECONDS, saveRegularly } from './run-upload.ts';
import type { TreeContents } from './saved-tree.ts';
import { storeStream } from './stream-blocks.ts';
import { startCounts } from './upload-counts.ts';
import type { SourceFile, Walk } from './walk.ts';

const DEFAULT_NAME = 'stdin';
/** Of no use for a stream, which cannot be read a second time. */
const NOT_FOR_STREAMS = ['reference', 'exclude'] as const;
const NO_SWITCHES = ['follow-links', 'dry-run', 'no-resume'] as const;

/** Stores a stream as one file of a collection. @returns the exit code */
export async function putStream(
  given: Given,
  session: Session,
  { stream, update }: { stream: Readable; update: string | null },
): Promise<number> {
  const unused = [
    ...NOT_FOR_STREAMS.filter((name) => given.all(name).length > 0),
    ...NO_SWITCHES.filter((name) => given.has(name)),
  ];
  if (unused.length > 0) throw usageError(`--${unused[0]} is for files: it does not go with standard input.`);
  const started = Date.now();
  const file: SourceFile = { path: streamName(given), source: '-', size: 0, stamp: '' };
  const walk: Walk = {
    files: [file],
    emptyDirectories: [],
    problems: [],
    skippedLinks: 0,
    skippedSpecial: 0,
    excluded: 0,
  };
  const facts = await session.facts();
  const target = update === null ? null : await loadManifest(session.api, update);
  refuseClashes(target === null ? null : listManifest(target.manifest), walk);
  const checkpoint = memoryCheckpoint();
  const { goal, saver } = await prepareGoal({
    given,
    session,
    facts,
    update,
    target: target?.record ?? null,
    checkpoint,
  });

  const counts = startCounts();
  // One more than there are: as long as it has a hole, the file is not complete.
  const parts: (TreeContents['places'][number][number] | undefined)[] = [undefined];
  const contents: TreeContents = {
    files: walk.files,
    places: [parts],
    emptyDirectories: [],
    locators: checkpoint.locators,
  };
  const interruption = onInterrupt();
  const { signal } = interruption;
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  const progress = showProgress(
    () => ({
      bytesDone: counts.bytesDone + counts.bytesUnderWay,
      bytesTotal: null,
      bytesMoved: counts.bytesMoved,
      note: `${plural(counts.blocksSent, 'block')} sent`,
    }),
    { quiet: given.has('quiet') },
  );
  const every = Math.min(given.count('save-every') ?? SAVE_EVERY_SECONDS, facts.signatureTtlSeconds / 4);
  const saving = saveRegularly(every, saver, contents, progress);
  try {
    file.size = await storeStream({
      stream,
      keep: session.keep,
      goal,
      jobs: Math.min(given.count('jobs') ?? DEFAULT_JOBS, MAX_JOBS),
      signal,
      counts,
      onBlock(number, part, locator) {
        checkpoint.locators.set(bareLocator(locator), locator);
        parts[number] = part;
        parts.length = Math.max(parts.length, number + 2);
      },
    });
    await saving.stop();
    parts.length--;
  } catch (error) {
    await saving.stop();
    progress.stop();
    await saver.giveUp().catch(() => undefined);
    if (!signal.aborted) throw error;
    note('Interrupted. Nothing is saved: a stream cannot be read a second time.');
    return interruption.exitCode;
  } finally {
    progress.stop();
    interruption.end();
  }
  const { record, expectedHash, isExisting = false } = await saver.finish(contents);
  const seconds = (Date.now() - started) / 1000;
  const work = { counts, failed: new Map<number, string>() };
  return report({ walk, bytes: file.size, work, record, expectedHash, isExisting, seconds }, given);
}

/** The name of the stream in the collection. @throws CliError with exit code 2 */
function streamName(given: Given): string {
  return checkedName(given.text('filename') ?? DEFAULT_NAME);
}

/** A path in a collection, as --filename gives it. @throws CliError with exit code 2 */
export function checkedName(name: string): string {
  const isProper = name.split('/').every((component) => component !== '' && component !== '.' && component !== '..');
  if (isProper && name.isWellFormed()) return name;
  throw usageError('--filename takes a path in the collection, such as x.bam or reads/x.bam.');
}

/** What a stream has reached is not kept: the next run could not go on with it. */
function memoryCheckpoint(): Checkpoint {
  const checkpoint: Checkpoint = {
    locators: new Map(),
    collection: null,
    completed: null,
    find: () => null,
    addBlock: () => undefined,
    addRenewed(locators) {
      for (const locator of locators) checkpoint.locators.set(bareLocator(locator), locator);
    },
    setCollection(collection) {
      checkpoint.collection = collection;
    },
    finish() {
      checkpoint.collection = null;
    },
    close: () => undefined,
  };
  return checkpoint;
}
