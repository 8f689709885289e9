import { type PlannedBlock, planBlocks } from '../keep/plan-blocks.ts';
import { type ChosenFile, isAsChosen } from './chosen-files.ts';
import type { HashPool } from './hash-pool.ts';
import { heldElsewhere } from './held-elsewhere.ts';
import { blockKey, type KeptBlocks } from './kept-blocks.ts';
import { hasBlock, putBlock, refusal, SendProblem } from './send-block.ts';
import { fileLine, locatorsOf, placesOf, readManifest } from './upload-manifest.ts';

/** Blocks on their way at a time. */
const LANES = 4;
/** Files of one save: a request names each of them. */
const SAVED_AT_ONCE = 500;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** Less is sent sooner than looked for elsewhere. */
const LOOKED_FOR_BYTES = 8 * 1024 * 1024;
/** Names that other collections are looked for by: the largest files'. */
const LOOKED_FOR_NAMES = 5;

export interface UploadReport {
  /** Bytes of a file that have arrived, each time more do. @param isSent false for what was there already */
  file(index: number, bytes: number, isSent: boolean): void;
  say(text: string): void;
  /** A block did not get through, and is tried again. */
  retry(why: string): void;
}

export interface Upload {
  uuid: string;
  /** Directory in the collection; '' for its root. */
  to: string;
  files: ChosenFile[];
  pool: HashPool;
  kept: KeptBlocks;
  signal: AbortSignal;
  report: UploadReport;
}

/**
 * Sends what is missing, saves the files, and compares what the collection then holds with what was sent. No block is in
 * memory: hashing and sending read the files. Again with the same files it goes on where it stopped.
 * @throws SendProblem for what does not pass; AbortError when it is paused
 */
export async function runUpload(upload: Upload): Promise<void> {
  const { files, report } = upload;
  const blocks = [...planBlocks(files)];
  const locators: (string | undefined)[] = [];
  const held = new Map([...(await elsewhere(upload)), ...locatorsOf(await manifestOf(upload))]);
  const sent = files.map(() => 0);
  const arrived: Arrived = (block, bytes, before, isSent) => {
    spread(block, before, bytes, (file, count) => {
      sent[file] = (sent[file] ?? 0) + count;
      report.file(file, sent[file], isSent);
    });
  };
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < blocks.length; index = next++) {
      const block = blocks[index];
      if (block !== undefined) locators[index] = await send(upload, block, held, arrived);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await requireUnchanged(
    files,
    files.map((_, file) => ({ file, offset: 0, length: 0 })),
  );
  const places = placesOf(files.length, blocks);
  const paths = files.map(({ path }) => (upload.to === '' ? path : `${upload.to}/${path}`));
  report.say('Saving …');
  for (let begin = 0; begin < files.length; begin += SAVED_AT_ONCE) {
    const range = paths.slice(begin, begin + SAVED_AT_ONCE);
    const lines = range.map((path, i) => fileLine(path, places[begin + i] ?? [], locators));
    await save(upload, lines.join(''), range);
  }
  report.say('Checking what was stored …');
  const { sizes, hashes } = readManifest(await manifestOf(upload));
  const wrong = paths.filter((path, i) => sizes.get(path) !== files[i]?.size);
  const missing = locators.filter((locator) => locator !== undefined && !hashes.has(locator.slice(0, 32)));
  if (wrong.length > 0 || missing.length > 0)
    throw new SendProblem(
      `${wrong[0] ?? 'a file'} is not in the collection as it was sent: it may have been changed by another`,
      false,
    );
  upload.kept.forget();
}

type Arrived = (block: PlannedBlock, bytes: number, before: number, isSent: boolean) => void;

async function send(
  { files, pool, kept, signal, report }: Upload,
  block: PlannedBlock,
  held: Map<string, string>,
  arrived: Arrived,
): Promise<string> {
  const key = blockKey(
    block.parts.map(({ file, offset, length }) => {
      const { path, size, modified } = files[file] ?? {};
      return `${path} ${size} ${modified} ${offset} ${length}`;
    }),
  );
  let done = 0;
  const progress = (bytes: number, isSent: boolean) => {
    const upTo = Math.min(bytes, block.size);
    if (upTo > done) arrived(block, upTo - done, done, isSent);
    done = Math.max(done, upTo);
  };
  let hash: string | null = null;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      signal.throwIfAborted();
      const known = kept.known.get(key);
      if (known !== undefined && (await hasBlock(known, signal))) {
        progress(block.size, false);
        return known;
      }
      const body = new Blob(
        block.parts.map(({ file, offset, length }) => files[file]?.file.slice(offset, offset + length) ?? ''),
      );
      hash ??= await pool.hash(body);
      // A block is left out only where a signature for it is held: its name alone opens nothing.
      const name = `${hash}+${block.size}`;
      const there = await firstHeld([held.get(name), await kept.earlier(name)], signal);
      const locator = there ?? (await putBlock(hash, body, (bytes) => progress(bytes, true), signal));
      kept.keep(key, locator);
      progress(block.size, there === undefined);
      return locator;
    } catch (error) {
      if (!(error instanceof DOMException)) await requireUnchanged(files, block.parts);
      if (!(error instanceof SendProblem) || !error.mayPass) throw error;
      hash = null;
      report.retry(`${error.message}: trying again`);
      await pause(wait, signal);
    }
  }
}

async function firstHeld(locators: (string | undefined)[], signal: AbortSignal): Promise<string | undefined> {
  for (const locator of locators) if (locator !== undefined && (await hasBlock(locator, signal))) return locator;
  return undefined;
}

/** @throws SendProblem that names a file of the block which is not what was chosen any more */
async function requireUnchanged(files: ChosenFile[], parts: PlannedBlock['parts']): Promise<void> {
  for (const { file, offset } of parts) {
    const chosen = files[file];
    if (chosen !== undefined && !(await isAsChosen(chosen, offset)))
      throw new SendProblem(
        `${chosen.path} was changed, moved or deleted since you chose it: choose the files again`,
        false,
      );
  }
}

/** What the visitor holds signatures for in other collections. */
async function elsewhere({ uuid, files, signal }: Upload): Promise<Map<string, string>> {
  if (files.reduce((sum, { size }) => sum + size, 0) < LOOKED_FOR_BYTES) return new Map();
  const largest = files.toSorted((a, b) => b.size - a.size).slice(0, LOOKED_FOR_NAMES);
  return heldElsewhere(
    uuid,
    largest.map(({ file }) => file.name),
    signal,
  );
}

/** Gives bytes of a block to the files that they are of. */
function spread(
  { parts }: PlannedBlock,
  begin: number,
  bytes: number,
  give: (file: number, count: number) => void,
): void {
  let at = 0;
  for (const { file, length } of parts) {
    const count = Math.min(at + length, begin + bytes) - Math.max(at, begin);
    if (count > 0) give(file, count);
    at += length;
  }
}

/** Requests of this page, tried again while the network is down. */
async function patiently(
  path: string,
  init: RequestInit,
  { signal, report }: Pick<Upload, 'signal' | 'report'>,
): Promise<Response> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      const answer = await fetch(path, { ...init, signal });
      if (!refusal(answer.status, '').mayPass) return answer;
      report.retry(`the service answered ${answer.status}: trying again`);
    } catch (error) {
      if (error instanceof DOMException) throw error;
      report.retry('the network is down: trying again');
    }
    await pause(wait, signal);
    signal.throwIfAborted();
  }
}

async function manifestOf(upload: Upload): Promise<string> {
  const answer = await patiently(`/workspace/upload/${upload.uuid}/manifest`, {}, upload);
  if (!answer.ok) throw refusal(answer.status, await messageOf(answer));
  return ((await answer.json()) as { manifest_text: string }).manifest_text;
}

async function save(upload: Upload, manifest: string, paths: string[]): Promise<void> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ manifest, paths }),
  };
  const answer = await patiently(`/workspace/upload/${upload.uuid}/save`, init, upload);
  if (answer.ok) return;
  throw refusal(answer.status, await messageOf(answer));
}

async function messageOf(answer: Response): Promise<string> {
  const text = await answer.text().catch(() => '');
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? '');
  } catch {
    return /^\s*</.test(text) ? '' : text;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener('online', end);
    signal.addEventListener('abort', end, { once: true });
  });
}
