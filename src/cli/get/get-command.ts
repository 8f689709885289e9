import { statSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { filesNote, formatBytes, formatSeconds, plural } from '../../keep/human-format.ts';
import type { ManifestDirectory, ManifestFile } from '../../keep/manifest/tree.ts';
import { CliError } from '../cli-error.ts';
import { type FoundFile, filesBelow, loadEntry, parseAddress } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { fsPath } from '../fs-path.ts';
import { onInterrupt } from '../interrupt.ts';
import { showProgress } from '../progress.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession, type Session } from '../session.ts';
import { note, print, printJson, showName } from '../terminal.ts';
import { openDestination, privateName } from './destination.ts';
import { type DownloadCounts, download } from './download.ts';
import { type GetPlan, planFiles, refuseNames } from './fetch-plan.ts';
import { printFile } from './print-file.ts';
import type { ReadRange } from './range-reader.ts';
import { verify } from './verify-files.ts';
import { WHOLE_BLOCKS, WHOLE_BLOCKS_OPTION } from './whole-blocks.ts';

const DEFAULT_JOBS = 4;
const MAX_JOBS = 64;
const STDOUT = '-';

export const get: Command = {
  name: 'get',
  summary: 'fetch a collection, a directory or a file of one',
  usage: 'COLLECTION[/PATH] [DEST] [options]',
  forms: { '': [1, 2], '--verify': [1, 2], '-': [2, 2] },
  options: {
    verify: { value: null, help: 'compare what is in DEST with the collection; fetch no files' },
    force: { value: null, short: 'f', forms: [''], help: 'replace files that are there with other contents' },
    jobs: {
      value: 'N',
      short: 'j',
      forms: [''],
      help: `blocks fetched at once (${DEFAULT_JOBS});\neach needs 64 MiB of memory`,
    },
    [WHOLE_BLOCKS]: { ...WHOLE_BLOCKS_OPTION, forms: ['', '-'] },
    retries: RETRIES,
    json: { value: null, forms: ['', '--verify'], help: 'the result as JSON on standard output' },
    quiet: { value: null, short: 'q', help: 'no progress' },
  },
  help: `
COLLECTION is a UUID or a portable data hash. What is in a collection or directory goes into DEST, which is made if
needed (here, if not given); a file becomes DEST, or a file in it if it is a directory; DEST - is standard output.

Every block is checked against its hash before anything of it is written; a small part of a large block is checked and
sent by the service. Interrupted? Run the same command again: what is on disk is checked and only the rest is fetched.

Exit codes: 0 everything is there; 1 it is not; 2 wrong usage; 130 interrupted.

Examples:
  keep-edge get xedge-4zz18-000000000000000 run-42/
  keep-edge get xedge-4zz18-000000000000000/reads/a.bam - | samtools view -
  keep-edge get --verify xedge-4zz18-000000000000000 run-42/`,
  run: runGet,
};

async function runGet(given: Given): Promise<number> {
  const [source = '', destination = ''] = given.arguments;
  const address = parseAddress(source);
  const { id, path } = address;
  const session = openSession({ retry: retryPolicy(given) });
  try {
    const { record, entry } = await loadEntry(session.api, address);
    const rangesOf = () => (given.has(WHOLE_BLOCKS) ? null : session.rangeReader(String(record.portable_data_hash)));
    if (given.form === STDOUT) {
      if (entry.kind === 'directory') throw new CliError('Only a file can go to standard output.');
      await printFile(session.keep, { path, file: entry, ranges: rangesOf() }, process.stdout);
      return 0;
    }
    const plan = planEntry(entry, path, destination);
    const names = [...plan.targets.map(({ name }) => name), ...plan.directories];
    const own = privateName(`${id}/${path}\n${entry.kind === 'file' ? plan.targets[0]?.name : ''}`, names);
    if (given.form === '--verify') return await runVerify(given, session, plan, own);
    return await runDownload(given, session, { plan, own, ranges: rangesOf() });
  } finally {
    session.close();
  }
}

function planEntry(entry: ManifestDirectory | ManifestFile, path: string, destination: string) {
  if (entry.kind === 'file') {
    refuseNames([posix.basename(path)]);
    const into = destination === '' || destination.endsWith('/') || isDirectory(destination);
    const target = into ? join(destination || '.', posix.basename(path)) : destination;
    return planFiles([{ path: basename(target), file: entry }], {
      root: dirname(target),
      sourceOf: () => path,
    });
  }
  const root = destination || '.';
  const files: FoundFile[] = [];
  const directories: string[] = [];
  for (const found of filesBelow(entry)) {
    if (found.file === null) directories.push(found.path);
    else files.push(found);
  }
  return planFiles(files, { root, directories, sourceOf: (name) => (path === '' ? name : `${path}/${name}`) });
}

function isDirectory(path: string): boolean {
  return statSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

async function runVerify(given: Given, { keep }: Session, plan: GetPlan, own: string): Promise<number> {
  const problems = await verify(plan, keep, own);
  const files = plan.targets.length;
  if (given.has('json')) printJson({ files, problems });
  else {
    for (const { path, what } of problems) print(`${showName(path)}: ${what}`);
    if (!given.has('quiet')) note(`${plural(files - problems.length, 'file')} of ${files} as in the collection`);
  }
  return problems.length > 0 ? 1 : 0;
}

interface Download {
  plan: GetPlan;
  /** Name of the private directory. */
  own: string;
  ranges: ReadRange | null;
}

async function runDownload(given: Given, { keep }: Session, { plan, own, ranges }: Download): Promise<number> {
  const started = Date.now();
  const bytes = plan.targets.reduce((sum, { size }) => sum + size, 0);
  const counts: DownloadCounts = {
    bytesDone: 0,
    bytesUnderWay: 0,
    bytesMoved: 0,
    bytesFetched: 0,
    blocksFetched: 0,
    filesSkipped: 0,
    filesDone: 0,
  };
  const destination = await openDestination(plan.root, own);
  const interruption = onInterrupt();
  const progress = showProgress(
    () => ({
      // A block may be in several files, and files may use little of it.
      bytesDone: Math.min(bytes, counts.bytesDone + counts.bytesUnderWay),
      bytesTotal: bytes,
      bytesMoved: counts.bytesMoved,
      note: `${filesNote(counts.filesDone, plan.targets.length)}${plural(counts.blocksFetched, 'block')} fetched`,
    }),
    { quiet: given.has('quiet') },
  );
  let isComplete = false;
  try {
    const jobs = Math.min(given.count('jobs') ?? DEFAULT_JOBS, MAX_JOBS);
    const { signal } = interruption;
    await download(plan, { keep, jobs, force: given.has('force'), signal, counts, destination, ranges });
    isComplete = true;
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    progress.stop();
    note('Interrupted. Run the same command again to go on.');
    return interruption.exitCode;
  } finally {
    progress.stop();
    interruption.end();
    destination.close(isComplete);
  }
  const files = plan.targets.length;
  const seconds = (Date.now() - started) / 1000;
  const { blocksFetched, bytesFetched, filesSkipped } = counts;
  if (given.has('json')) {
    const facts = {
      files,
      bytes,
      blocks_fetched: blocksFetched,
      bytes_fetched: bytesFetched,
      files_skipped: filesSkipped,
    };
    printJson({ ...facts, seconds });
  } else if (!given.has('quiet')) {
    const fetched = `${plural(blocksFetched, 'block')} fetched (${formatBytes(bytesFetched)})`;
    note(
      `${plural(files, 'file')}, ${formatBytes(bytes)} in ${formatSeconds(seconds)}: ${fetched}, ${plural(filesSkipped, 'file')} there already`,
    );
  }
  return 0;
}
