import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { formatBytes, plural } from '../../keep/human-format.ts';
import { usageError } from '../cli-error.ts';
import { isCollectionUuid } from '../collection.ts';
import type { Command, Given } from '../command.ts';
import { fsPath, realPath } from '../fs-path.ts';
import { parseGlob } from '../glob.ts';
import { RETRIES, retryPolicy } from '../retries.ts';
import { openSession, type Session } from '../session.ts';
import { note, print, printJson } from '../terminal.ts';
import { type Checkpoint, checkpointFile, openCheckpoint } from './checkpoint.ts';
import { checkedName, putStream } from './put-stream.ts';
import { leftOut, remarks } from './report.ts';
import { DEFAULT_JOBS, type Prepared, prepare, runUpload, SAVE_EVERY_SECONDS } from './run-upload.ts';
import { type Walk, walkPaths } from './walk.ts';

const STDIN = '-';

export const put: Command = {
  name: 'put',
  summary: 'store files and directories in a collection',
  usage: 'PATH...|- [options]',
  forms: { '': [1, Infinity], '--update': [1, Infinity] },
  completes: 'files',
  options: {
    name: { value: 'TEXT', forms: [''], help: 'name of the new collection; time, user and host otherwise' },
    'project-uuid': { value: 'UUID', forms: [''], help: 'project that gets it; your home project otherwise' },
    update: {
      value: 'UUID',
      help: 'add the files to this collection, at the end and all at\nonce; what has the same path is replaced, and what others\nsave meanwhile stays',
    },
    filename: {
      value: 'NAME',
      help: 'what one file, or standard input, is called in the\ncollection; it may have directories',
    },
    'skip-existing': {
      value: null,
      help: 'make no second collection of the same files in the same\nproject; with --update, leave out files that it has in the\nsame size',
    },
    'trash-after': { value: 'DAYS', help: 'put the collection into the trash then; or a duration: 36h' },
    'portable-data-hash': { value: null, help: 'print this instead of the UUID' },
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
    'no-resume': { value: null, help: 'start over: ignore the progress of earlier runs' },
    jobs: {
      value: 'N',
      short: 'j',
      help: `blocks sent at once, at most (${DEFAULT_JOBS}); each needs 64 MiB of memory`,
    },
    'save-every': {
      value: 'SECONDS',
      help: `save the collection on the way (${SAVE_EVERY_SECONDS}), so that its blocks\nare kept and their signatures renewed`,
    },
    retries: RETRIES,
    json: { value: null, help: 'the result as JSON on standard output' },
    quiet: { value: null, short: 'q', help: 'no progress' },
  },
  help: `
DIR stores the directory under its name, DIR/ only what is in it; - is standard input, of any length. Files are cut into
blocks of 64 MiB, small files share blocks. The new collection's UUID goes to standard output, everything else
to standard error.

Interrupted? Run the same command again: it goes on where it was, also after a crash. Changed files are noticed. To go on
from another machine, name the unfinished collection: --reference UUID.

Exit codes: 0 everything is stored; 1 something is not (the summary says what); 2 wrong usage; 130 interrupted.

Examples:
  keep-edge put --name "Run 42" run-42/
  keep-edge put --update xedge-4zz18-000000000000000 more.bam
  samtools sort in.bam | keep-edge put - --filename sorted.bam --name sorted
  keep-edge put --exclude "*.tmp" --project-uuid xedge-j7d0g-000000000000000 results`,
  run: runPut,
};

async function runPut(given: Given): Promise<number> {
  const update = given.form === '--update' ? (given.text('update') ?? null) : null;
  if (update !== null && !isCollectionUuid(update)) throw usageError('--update takes the UUID of a collection.');
  const filename = given.text('filename');
  const [only = ''] = given.arguments;
  if (given.arguments.length > 1 && (filename !== undefined || given.arguments.includes(STDIN)))
    throw usageError(`${filename === undefined ? 'Standard input' : '--filename'} goes with one file only.`);
  const stream = streamAt(only);
  if (stream !== null) return putOpened(given, { stream, update });
  const started = Date.now();
  const walk = walkPaths(given.arguments, {
    followLinks: given.has('follow-links'),
    excludes: given.all('exclude').map(parseGlob),
  });
  if (filename !== undefined) rename(walk, filename);
  const prepared = prepare(walk);
  const session = openSession({ retry: retryPolicy(given) });
  try {
    const checkpoint = await openCheckpoint(checkpointOf(given, session, update), { resume: !given.has('no-resume') });
    try {
      if (given.has('dry-run')) return dryRun(prepared, checkpoint, given);
      return await runUpload({ given, session, update, prepared, checkpoint, started });
    } finally {
      checkpoint.close();
    }
  } finally {
    session.close();
  }
}

/** Standard input, or a named pipe such as the shell's `<(command)`; null for what can be read twice. */
function streamAt(path: string): Readable | null {
  if (path === STDIN) return process.stdin;
  return statSync(fsPath(path), { throwIfNoEntry: false })?.isFIFO() === true ? createReadStream(fsPath(path)) : null;
}

async function putOpened(given: Given, options: { stream: Readable; update: string | null }): Promise<number> {
  const session = openSession({ retry: retryPolicy(given) });
  try {
    return await putStream(given, session, options);
  } finally {
    options.stream.destroy();
    session.close();
  }
}

function rename({ files: [file], files, emptyDirectories }: Walk, filename: string): void {
  if (file === undefined || files.length > 1 || emptyDirectories.length > 0 || file.path.includes('/'))
    throw usageError('--filename goes with one file only.');
  file.path = checkedName(filename);
}

/** What is uploaded, and where to. */
function checkpointOf(given: Given, { settings }: Session, update: string | null): string {
  const paths = given.arguments.map((path) => `${realPath(path)}${path.endsWith('/') ? '/' : ''}`);
  const filename = given.text('filename');
  const where = [settings.apiUrl, update ?? '', update === null ? (given.text('project-uuid') ?? '') : ''];
  if (filename !== undefined) where.push(filename);
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
  if (given.has('json')) printJson({ ...facts, ...leftOut(walk) });
  else {
    print(`${plural(facts.files, 'file')}, ${formatBytes(bytes)}, ${plural(facts.blocks, 'block')}`);
    print(`${formatBytes(pending)} would be sent, unless the service has it already`);
    for (const line of remarks(walk, [])) note(line);
  }
  return walk.problems.length > 0 ? 1 : 0;
}
