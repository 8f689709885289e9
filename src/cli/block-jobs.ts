import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, writeSync } from 'node:fs';
import { fsPath } from './fs-path.ts';

// Windows has not all of them.
const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * Jobs of the block workers: read, write and hash files with synchronous calls, away from the network thread. Buffers
 * are transferred, not copied.
 */
export type BlockJob =
  | { verb: 'read'; buffer: ArrayBuffer; chunks: FileChunk[] }
  /** `hash` is null for bytes that were checked elsewhere. */
  | { verb: 'write'; buffer: ArrayBuffer; size: number; hash: string | null; chunks: BlockChunk[] };

/** Bytes of a file to be read; the chunks of a job follow one another in the block. */
export interface FileChunk {
  file: string;
  offset: number;
  length: number;
  /** The expected state of the file, see stampOf; null accepts any. */
  stamp: string | null;
}

/** Bytes of a block to be written to a file. */
export interface BlockChunk {
  file: string;
  /** In the block. */
  from: number;
  length: number;
  /** In the file. */
  offset: number;
  /** The chunk is the whole file: it is created, or truncated first. */
  whole: boolean;
}

export interface ChunkProblem {
  /** Index of the chunk. */
  chunk: number;
  what: string;
}

export type BlockResult =
  /** MD5 of all chunks together; null when one could not be read. */
  | { verb: 'read'; buffer: ArrayBuffer; hash: string | null; problems: ChunkProblem[] }
  /** `intact` is false, with nothing written, when the hash is wrong. `problem`: a file could not be written. */
  | { verb: 'write'; buffer: ArrayBuffer; intact: boolean; problem: ChunkProblem | null };

/** Size and times of a file: differs when it was changed. */
export function stampOf({ size, mtimeMs, ctimeMs }: Stats): string {
  return `${size} ${mtimeMs} ${ctimeMs}`;
}

export function runBlockJob(job: BlockJob): BlockResult {
  return job.verb === 'read' ? readChunks(job) : writeChunks(job);
}

function readChunks({ buffer, chunks }: BlockJob & { verb: 'read' }): BlockResult {
  const bytes = new Uint8Array(buffer);
  const problems: ChunkProblem[] = [];
  let at = 0;
  for (const [index, chunk] of chunks.entries()) {
    const what = readChunk(chunk, bytes.subarray(at, at + chunk.length));
    if (what !== null) problems.push({ chunk: index, what });
    at += chunk.length;
  }
  const hash = problems.length > 0 ? null : createHash('md5').update(bytes.subarray(0, at)).digest('hex');
  return { verb: 'read', buffer, hash, problems };
}

/** @returns what is wrong, or null */
function readChunk({ file, offset, stamp }: FileChunk, target: Uint8Array): string | null {
  let descriptor: number | null = null;
  try {
    // O_NONBLOCK: the file may have become a pipe without a writer.
    descriptor = openSync(fsPath(file), O_RDONLY | O_NONBLOCK);
    for (let done = 0; done < target.byteLength; ) {
      const count = readSync(descriptor, target, done, target.byteLength - done, offset + done);
      if (count === 0) return 'it became shorter while it was read';
      done += count;
    }
    // Checked after reading, to see changes made before and meanwhile.
    return stamp === null || stampOf(fstatSync(descriptor)) === stamp ? null : 'it changed while it was read';
  } catch (error) {
    return reasonOf(error);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

function writeChunks({ buffer, size, hash, chunks }: BlockJob & { verb: 'write' }): BlockResult {
  const bytes = new Uint8Array(buffer, 0, size);
  if (hash !== null && createHash('md5').update(bytes).digest('hex') !== hash)
    return { verb: 'write', buffer, intact: false, problem: null };
  for (const [index, chunk] of chunks.entries()) {
    const what = writeChunk(chunk, bytes);
    if (what !== null) return { verb: 'write', buffer, intact: true, problem: { chunk: index, what } };
  }
  return { verb: 'write', buffer, intact: true, problem: null };
}

/** @returns what is wrong, or null */
function writeChunk({ file, from, length, offset, whole }: BlockChunk, bytes: Uint8Array): string | null {
  let descriptor: number | null = null;
  try {
    const flags = whole ? O_WRONLY | O_CREAT | O_TRUNC : O_WRONLY;
    descriptor = openSync(fsPath(file), flags | O_NOFOLLOW, 0o666);
    for (let done = 0; done < length; ) done += writeSync(descriptor, bytes, from + done, length - done, offset + done);
    // A network file system may tell only now that it is full.
    const open = descriptor;
    descriptor = null;
    closeSync(open);
    return null;
  } catch (error) {
    return reasonOf(error);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'it is not there any more',
  EISDIR: 'it is a directory now',
  EIO: 'the disk has failed',
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it is larger than this file system or limit allows',
  EROFS: 'the file system is read-only',
  EEXIST: 'something of this name is there already',
  ENOTDIR: 'a file is where a directory should be',
  ENOTEMPTY: 'a directory is in the way',
  ESPIPE: 'it is a pipe now',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its path is too long',
};

/** A file system error as a short sentence. */
export function reasonOf(error: unknown): string {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
