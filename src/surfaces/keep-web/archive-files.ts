import { crc32 } from 'node:zlib';
import { blockAt, type FileTree, fileSegments, nodeSize } from '../../collections/file-tree.ts';
import { blockSource, type OpenBlock } from '../../files/file-parts.ts';
import type { ByteRange } from '../../streams/byte-range.ts';
import type { LazyPart, OpenPart, Pipeable } from '../../streams/part.ts';
import { segmentReader } from '../../streams/segment-reader.ts';
import type { FileRow, ZipFiles } from '../../streams/zip/archive.ts';
import { combineCrc32 } from '../../streams/zip/crc32.ts';
import { tapCrc32 } from '../../streams/zip/crc32-stream.ts';
import type { ChecksumBook } from './checksum-book.ts';
import { computeChecksums } from './file-checksums.ts';

/** Extents of files whose checksums are computed together, in memory of some MB. */
const MAX_EXTENTS = 50_000;

/** A file's checksum so far, while its bytes are sent from the start. */
interface Progress {
  crc: number;
  length: number;
  /** Settles when all parts handed out so far have been sent or given up. */
  sent: Promise<void>;
}

/**
 * The files of an archive, checksums computed as the bytes are sent. A checksum that is needed but not known, because a
 * reader resumed behind the data, is computed by reading the data again; checksums of whole blocks are kept, so that
 * this is little.
 * @param nodes the files, in the order of the archive
 */
export function archiveFiles(tree: FileTree, nodes: ArrayLike<number>, open: OpenBlock, book: ChecksumBook): ZipFiles {
  const source = blockSource(tree, open);
  const progresses = new Map<number, Progress>();
  const nodeOf = (entry: number) => nodes[entry] ?? 0;
  const progressOf = (entry: number): Progress => {
    const progress = progresses.get(entry) ?? { crc: 0, length: 0, sent: Promise.resolve() };
    progresses.set(entry, progress);
    return progress;
  };

  function* slice(entry: number, range: ByteRange): Generator<LazyPart> {
    const node = nodeOf(entry);
    let position = range.offset;
    for (const { block, blockSize, offset, length } of fileSegments(tree, node, range)) {
      const start = position;
      position += length;
      const isWhole = length === blockSize;
      const note = (crc: number) => {
        if (isWhole) book.noteBlock(block, crc);
        const progress = progressOf(entry);
        if (start !== progress.length) return;
        progress.crc = combineCrc32(progress.crc, crc, length);
        progress.length += length;
        if (progress.length === nodeSize(tree, node)) book.noteFile(node, progress.crc);
      };
      const through = (bytes: OpenPart): OpenPart => {
        const known = isWhole ? book.block(block) : null;
        if (bytes instanceof Uint8Array) {
          note(known ?? crc32(bytes));
          return bytes;
        }
        const sent = Promise.withResolvers<void>();
        progressOf(entry).sent = sent.promise;
        return noted(bytes, known, note, sent.resolve);
      };
      yield {
        length,
        open: async (signal) => through(await source.open(block, { offset, length }, signal)),
        segment: { source, block, offset, length, through },
      };
    }
  }

  async function checksum(entry: number, signal: AbortSignal): Promise<number> {
    const node = nodeOf(entry);
    if (nodeSize(tree, node) === 0) return 0;
    // The part before this one may still be on its way.
    await progresses.get(entry)?.sent;
    progresses.delete(entry);
    if (book.file(node) === null) await computeChecksums(tree, [node], source, book, signal);
    return book.file(node) ?? 0;
  }

  /** Many files at once, so that a block that they share is read once. */
  async function computeFrom(first: number, signal: AbortSignal): Promise<void> {
    const missing: number[] = [];
    for (let entry = first, extents = 0; entry < nodes.length && extents < MAX_EXTENTS; entry++) {
      const node = nodeOf(entry);
      if (book.file(node) !== null || nodeSize(tree, node) === 0) continue;
      missing.push(node);
      extents += 1 + (tree.counts[node] ?? 0);
    }
    await computeChecksums(tree, missing, source, book, signal);
  }

  async function checksums(first: number, end: number, signal: AbortSignal): Promise<Uint32Array> {
    const crcs = new Uint32Array(end - first);
    for (let entry = first; entry < end; entry++) {
      const node = nodeOf(entry);
      if (nodeSize(tree, node) === 0) continue;
      if (book.file(node) === null) await computeFrom(entry, signal);
      crcs[entry - first] = book.file(node) ?? 0;
    }
    return crcs;
  }

  /** Files of one extent each, every one where the one before ends, as far as their block goes. */
  function row(first: number, fits: (entry: number) => boolean): FileRow | null {
    let [block, start, end, blockEnd] = [0, 0, 0, 0];
    let entry = first;
    for (; entry < nodes.length; entry++) {
      const node = nodeOf(entry);
      const size = nodeSize(tree, node);
      const position = size === 0 ? end : (tree.extentStarts[tree.firsts[node] ?? 0] ?? 0);
      if (size > 0 && start === end) {
        block = blockAt(tree, position);
        blockEnd = tree.blockStarts[block + 1] ?? 0;
        [start, end] = [position, position];
      }
      const follows = position === end && position + size <= blockEnd && tree.counts[node] === 1;
      if (!((size === 0 || follows) && fits(entry))) break;
      end += size;
    }
    const count = entry - first;
    if (count < 2) return null;
    const segment = { source, block, offset: start - (tree.blockStarts[block] ?? 0), length: end - start };
    const checksumOf = (i: number, bytes: Uint8Array, from: number) => {
      const node = nodeOf(first + i);
      const crc = book.file(node) ?? crc32(bytes.subarray(from, from + nodeSize(tree, node)));
      book.noteFile(node, crc, true);
      return crc;
    };
    const openRow = async (signal: AbortSignal) =>
      segmentReader(await source.open(block, segment, signal), segment.length).fill;
    return { count, segment: start === end ? null : segment, open: openRow, checksum: checksumOf };
  }

  return { slice, checksum, checksums, row };
}

/** A body that notes its checksum, known or computed as it flows, once it has been sent. */
function noted(body: Pipeable, known: number | null, note: (crc: number) => void, onSent: () => void): Pipeable {
  const checked = known === null ? tapCrc32(body, note) : body;
  return {
    async pipeTo(to, options) {
      try {
        await checked.pipeTo(to, options);
        if (known !== null) note(known);
      } finally {
        onSent();
      }
    },
    async cancel(reason) {
      onSent();
      await checked.cancel(reason);
    },
  };
}
