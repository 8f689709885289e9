import { filesNote, plural } from '../../keep/human-format.ts';
import { type PlannedBlock, planBlocks } from '../../keep/plan-blocks.ts';
import { CliError } from '../cli-error.ts';
import { parseAddress } from '../collection.ts';
import type { Given } from '../command.ts';
import { type Interruption, onInterrupt } from '../interrupt.ts';
import { type ListedDirectory, listManifest } from '../listing.ts';
import { errorScreen, type Progress, showProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import { oneLine } from '../terminal.ts';
import type { Checkpoint } from './checkpoint.ts';
import { prepareGoal } from './goal.ts';
import { addReference, missingFiles, refuseClashes, renewFromLastTime, warnOfRepeat } from './references.ts';
import { report } from './report.ts';
import type { Saver } from './save.ts';
import type { TreeContents } from './saved-tree.ts';
import { createUpload, type Upload } from './upload.ts';
import type { Walk } from './walk.ts';

export const MAX_JOBS = 64;
const SAVE_AT_THE_END_MS = 60_000;
export const DEFAULT_JOBS = 4;
export const SAVE_EVERY_SECONDS = 1800;

/** What is to be stored. */
export interface Prepared {
  walk: Walk;
  blocks: PlannedBlock[];
  bytes: number;
}

export interface UploadRun {
  given: Given;
  session: Session;
  update: string | null;
  prepared: Prepared;
  checkpoint: Checkpoint;
  started: number;
}

/** Uploads, saves the collection and reports. @returns the exit code */
export async function runUpload(run: UploadRun): Promise<number> {
  const { given, session, update, prepared, checkpoint, started } = run;
  const facts = await session.facts();
  const references = new Map<string, string>();
  const refer = (id: string) => addReference(session, id, { references, checkpoint });
  const target = update === null ? null : await refer(update);
  const there = target === null ? null : listManifest(target.manifest);
  if (there !== null || given.arguments.length > 1) refuseClashes(there, prepared.walk);
  const isSkipping = there !== null && given.has('skip-existing');
  const { walk, blocks, bytes } = isSkipping ? prepare(missingOf(prepared.walk, there)) : prepared;
  for (const text of given.all('reference')) await refer(parseAddress(text).id);
  await renewFromLastTime(session, checkpoint, facts.signatureTtlSeconds);
  const { goal, saver } = await prepareGoal({
    given,
    session,
    facts,
    update,
    target: target?.record ?? null,
    checkpoint,
  });
  if (update === null && !given.has('skip-existing')) await warnOfRepeat(session, checkpoint);
  const jobs = Math.min(given.count('jobs') ?? DEFAULT_JOBS, MAX_JOBS);
  const interruption = onInterrupt();
  const { signal } = interruption;
  const work = createUpload({
    files: walk.files,
    blocks,
    keep: session.keep,
    goal,
    checkpoint,
    references,
    jobs,
    signal,
  });
  const contents: TreeContents = {
    files: walk.files,
    places: work.places,
    emptyDirectories: walk.emptyDirectories,
    locators: checkpoint.locators,
  };
  const progress = showProgress(() => standing(work, bytes, walk.files.length), { quiet: given.has('quiet') });
  const every = Math.min(given.count('save-every') ?? SAVE_EVERY_SECONDS, facts.signatureTtlSeconds / 4);
  const saving = saveRegularly(every, saver, contents, progress);
  try {
    await work.run();
    await saving.stop();
  } catch (error) {
    await saving.stop();
    progress.stop();
    if (signal.aborted) return await interrupted(interruption, work, saver, contents);
    throw advise(error, work);
  } finally {
    progress.stop();
    interruption.end();
  }
  const { record, expectedHash, isExisting = false } = await saver.finish(contents);
  const isComplete = walk.problems.length === 0 && work.failed.size === 0;
  if (update !== null) checkpoint.finish(null);
  else if (isComplete) checkpoint.finish(String(record.uuid));
  // The next run completes this collection instead of making a second one.
  else checkpoint.setCollection({ uuid: String(record.uuid), portableDataHash: String(record.portable_data_hash) });
  const seconds = (Date.now() - started) / 1000;
  return report({ walk, bytes, work, record, expectedHash, isExisting, seconds }, given);
}

function standing({ counts }: Upload, bytes: number, files: number) {
  const { bytesDone, bytesUnderWay, bytesMoved, blocksSent, blocksSkipped, filesDone } = counts;
  const blocks = `${plural(blocksSent, 'block')} sent${blocksSkipped > 0 ? `, ${blocksSkipped} skipped` : ''}`;
  const note = filesNote(filesDone, files) + blocks;
  return { bytesDone: bytesDone + bytesUnderWay, bytesTotal: bytes, bytesMoved, note };
}

/** What is uploaded of a tree. */
export function prepare(walk: Walk): Prepared {
  const bytes = walk.files.reduce((sum, { size }) => sum + size, 0);
  return { walk, blocks: [...planBlocks(walk.files)], bytes };
}

function missingOf(walk: Walk, there: ListedDirectory): Walk {
  return { ...walk, files: missingFiles(walk.files, there) };
}

export function saveRegularly(seconds: number, saver: Saver, contents: TreeContents, progress: Progress) {
  let running: Promise<void> = Promise.resolve();
  let busy = false;
  const save = async () => {
    if (busy || contents.locators.size === 0) return;
    busy = true;
    await saver.saveOnTheWay(contents).catch((error: unknown) => {
      progress.say(`The collection could not be saved on the way: ${error instanceof Error ? error.message : error}`);
    });
    busy = false;
  };
  const timer = setInterval(() => {
    running = running.then(save);
  }, seconds * 1000);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function interrupted(
  interruption: Interruption,
  work: Upload,
  saver: Saver,
  contents: TreeContents,
): Promise<number> {
  const screen = errorScreen();
  screen.write('Interrupted. ');
  if (work.places.some((parts) => parts.some((part) => part !== undefined))) {
    screen.write('Saving what is stored so far (interrupt again to leave at once) ... ');
    const signal = AbortSignal.timeout(SAVE_AT_THE_END_MS);
    await saver.saveOnTheWay(contents, { signal, patient: false }).catch((error: unknown) => {
      const why = signal.aborted ? 'no answer' : error instanceof Error ? error.message : String(error);
      screen.write(`\nThe collection could not be saved (${oneLine(why)}), but what is stored is on record here. `);
    });
  }
  screen.write('Run the same command again to go on.\n');
  return interruption.exitCode;
}

function advise(error: unknown, { counts }: Upload): unknown {
  if (!(error instanceof Error) || counts.blocksSent === 0) return error;
  return new CliError(`${error.message}\nProgress is saved: run the same command again to go on.`);
}
