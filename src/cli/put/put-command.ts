import { realpathSync } from 'node:fs';
import { bareLocator, hasLocalSignature, parseLocator } from '../../keep/locator.ts';
import { ApiError, type Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import { isCollectionUuid, loadCollection, locatorsIn, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { formatBytes, plural } from '../format.ts';
import { parseGlob } from '../glob.ts';
import { type Interruption, onInterrupt } from '../interrupt.ts';
import { errorScreen, type Progress, showProgress } from '../progress.ts';
import { openSession, type Session } from '../session.ts';
import { type Checkpoint, checkpointFile, openCheckpoint } from './checkpoint.ts';
import { type PlannedBlock, planBlocks } from './plan.ts';
import { leftOut, remarks, report } from './report.ts';
import { createSaver, renew, type Saver } from './save.ts';
import type { TreeContents } from './saved-tree.ts';
import { createUpload, type Upload } from './upload.ts';
import { type Walk, walkPaths } from './walk.ts';

const DEFAULT_JOBS = 4;
const MAX_JOBS = 64;
const SAVE_EVERY_SECONDS = 1800;

export const put: Command = {
  name: 'put',
  summary: 'store files and directories in a collection',
  usage: 'PATH... [options]',
  completes: 'files',
  options: {
    name: { value: 'TEXT', help: 'name of the new collection' },
    'project-uuid': { value: 'UUID', help: 'project that gets it; your home project otherwise' },
    update: { value: 'UUID', help: 'add the files to this collection; what has the same path is replaced' },
    reference: {
      value: 'UUID',
      multiple: true,
      help: 'a collection that may hold some of these blocks already: they\nare not sent again. May be repeated',
    },
    replication: { value: 'N', help: "copies of each block; the cluster's default otherwise" },
    'storage-classes': { value: 'A,B', help: "storage classes; the cluster's default otherwise" },
    exclude: {
      value: 'PATTERN',
      multiple: true,
      help: '"*.tmp" leaves out such names at any depth, "a/b/*" such\npaths, "a/**" everything below. May be repeated',
    },
    'follow-links': { value: null, help: 'store what symbolic links point to; they are left out otherwise' },
    'dry-run': { value: null, help: 'say what would be sent, and send nothing' },
    'no-resume': { value: null, help: 'forget where an earlier run of this upload was' },
    jobs: {
      value: 'N',
      short: 'j',
      help: `blocks sent at once, at most (${DEFAULT_JOBS}); each needs 64 MiB of memory`,
    },
    'save-every': {
      value: 'SECONDS',
      help: `save the collection on the way (${SAVE_EVERY_SECONDS}), so that its blocks\nare kept and their signatures renewed`,
    },
    json: { value: null, help: 'the result as JSON on standard output' },
    quiet: { value: null, short: 'q', help: 'no progress' },
  },
  help: `
DIR stores the directory under its name, DIR/ only what is in it. Files are cut into blocks of 64 MiB, small files share
blocks. The new collection's UUID goes to standard output, everything else to standard error.

Interrupted? Run the same command again: it goes on where it was, also after a crash. Changed files are noticed. To go on
from another machine, name the unfinished collection: --reference UUID.

Exit codes: 0 all is stored; 1 something is not (the summary says what); 2 the command makes no sense; 130 interrupted.

Examples:
  keep-edge put --name "Run 42" run-42/
  keep-edge put --update xedge-4zz18-000000000000000 more.bam
  keep-edge put --exclude "*.tmp" --project-uuid xedge-j7d0g-000000000000000 results`,
  run: runPut,
};

interface Prepared {
  walk: Walk;
  blocks: PlannedBlock[];
  bytes: number;
}

async function runPut(given: Given): Promise<number> {
  if (given.arguments.length === 0) throw usageError('Which files? See: keep-edge put --help');
  const update = given.text('update') ?? null;
  if (update !== null && !isCollectionUuid(update)) throw usageError('--update takes the UUID of a collection.');
  const started = Date.now();
  const walk = walkPaths(given.arguments, {
    followLinks: given.has('follow-links'),
    excludes: given.all('exclude').map(parseGlob),
  });
  const bytes = walk.files.reduce((sum, { size }) => sum + size, 0);
  const prepared = { walk, blocks: [...planBlocks(walk.files)], bytes };
  const session = openSession();
  try {
    const checkpoint = openCheckpoint(checkpointOf(given, session, update), { resume: !given.has('no-resume') });
    try {
      if (given.has('dry-run')) return dryRun(prepared, checkpoint, given);
      return await upload({ given, session, update, prepared, checkpoint, started });
    } finally {
      checkpoint.close();
    }
  } finally {
    session.close();
  }
}

/** What is uploaded, and where to. */
function checkpointOf(given: Given, { settings }: Session, update: string | null): string {
  const paths = given.arguments.map((path) => `${realpathSync(path)}${path.endsWith('/') ? '/' : ''}`);
  const where = [settings.apiUrl, update ?? '', given.text('project-uuid') ?? ''];
  return checkpointFile([...where, ...paths.sort()]);
}

function dryRun({ walk, blocks, bytes }: Prepared, checkpoint: Checkpoint, given: Given): number {
  let pending = 0;
  for (const { parts } of blocks) {
    for (const part of parts) {
      const file = walk.files[part.file];
      if (file !== undefined && checkpoint.find(file, part) === null) pending += part.length;
    }
  }
  const facts = { files: walk.files.length, bytes, blocks: blocks.length, bytes_pending: pending };
  if (given.has('json')) console.log(JSON.stringify({ ...facts, ...leftOut(walk) }));
  else {
    console.log(`${plural(facts.files, 'file')}, ${formatBytes(bytes)}, ${plural(facts.blocks, 'block')}`);
    console.log(`${formatBytes(pending)} would be sent, unless the service has it already`);
    for (const line of remarks(walk, [])) console.error(line);
  }
  return walk.problems.length > 0 ? 1 : 0;
}

interface Run {
  given: Given;
  session: Session;
  update: string | null;
  prepared: Prepared;
  checkpoint: Checkpoint;
  started: number;
}

async function upload(run: Run): Promise<number> {
  const { given, session, update, prepared, checkpoint, started } = run;
  const { walk, blocks, bytes } = prepared;
  const interruption = onInterrupt();
  const facts = await session.facts();
  const references = new Map<string, string>();
  const refer = (id: string) => addReference(session, id, { references, checkpoint });
  const target = update === null ? null : await refer(update);
  for (const text of given.all('reference')) await refer(parseAddress(text).id);
  await renewFromLastTime(session, checkpoint, facts.signatureTtlSeconds);

  const replication = given.count('replication') ?? null;
  const classes = given.text('storage-classes')?.split(',').filter(Boolean) ?? null;
  const goal = {
    replicas: replication ?? (Number(target?.replication_desired) || facts.replication),
    storageClasses: classes ?? wantedClasses(target) ?? facts.defaultClasses,
  };
  const saver = createSaver({
    api: session.api,
    checkpoint,
    update,
    name: given.text('name') ?? null,
    owner: given.text('project-uuid') ?? null,
    replication,
    storageClasses: classes,
    signatureTtlSeconds: facts.signatureTtlSeconds,
  });
  const jobs = Math.min(given.count('jobs') ?? DEFAULT_JOBS, MAX_JOBS);
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
  const progress = showProgress(() => standing(work, bytes), { quiet: given.has('quiet') });
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
  const { record, expectedHash } = await saver.finish(contents);
  checkpoint.finish();
  return report({ walk, bytes, work, record, expectedHash, seconds: (Date.now() - started) / 1000 }, given);
}

function standing({ counts }: Upload, bytes: number) {
  const { bytesDone, bytesSent, blocksSent, blocksSkipped } = counts;
  const note = `${plural(blocksSent, 'block')} sent${blocksSkipped > 0 ? `, ${blocksSkipped} skipped` : ''}`;
  return { bytesDone, bytesTotal: bytes, bytesMoved: bytesSent, note };
}

function wantedClasses(record: Row | null): string[] | null {
  const classes = record?.storage_classes_desired;
  return Array.isArray(classes) && classes.length > 0 ? classes.map(String) : null;
}

/** Takes a collection's locators; where ours of the same blocks end sooner, these replace them. */
async function addReference(
  { api }: Session,
  id: string,
  { references, checkpoint }: { references: Map<string, string>; checkpoint: Checkpoint },
): Promise<Row> {
  const { record, tree, manifest } = await loadCollection(api, id);
  locatorsIn(tree, (locator) => {
    if (hasLocalSignature(parseLocator(locator))) references.set(bareLocator(locator), locator);
  });
  await renew(checkpoint, manifest, Number.POSITIVE_INFINITY);
  return record;
}

/** The collection that an earlier run saved on its way gives fresh signatures; when it is gone it is forgotten. */
async function renewFromLastTime({ api }: Session, checkpoint: Checkpoint, ttlSeconds: number): Promise<void> {
  if (checkpoint.collection === null) return;
  try {
    const record = await api(`arvados/v1/collections/${checkpoint.collection}`);
    await renew(checkpoint, String(record.manifest_text ?? ''), ttlSeconds);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    checkpoint.finish();
  }
}

function saveRegularly(seconds: number, saver: Saver, contents: TreeContents, progress: Progress) {
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
    await saver.saveOnTheWay(contents);
  }
  screen.write('Run the same command again to go on.\n');
  return interruption.exitCode;
}

function advise(error: unknown, { counts }: Upload): unknown {
  if (!(error instanceof Error) || counts.blocksSent === 0) return error;
  return new CliError(`${error.message}\nWhat is stored is remembered: run the same command again to go on.`);
}
