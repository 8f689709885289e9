import { type BlockSegment, type FileTree, fileSegments, nodeSize } from '../../collections/file-tree.ts';
import type { ByteRange } from '../../streams/byte-range.ts';
import type { LazyPart } from '../../streams/part.ts';
import type { ZipFiles } from '../../streams/zip/archive.ts';
import { combineCrc32 } from '../../streams/zip/crc32.ts';
import { crc32OfPart, tapCrc32 } from '../../streams/zip/crc32-stream.ts';
import type { ChecksumBook } from './checksum-book.ts';
import { type OpenBlock, openSegment } from './file-parts.ts';

/** A file's checksum so far, while its bytes are sent from the start. */
interface Progress {
  crc: number;
  length: number;
  /** Settles when all parts handed out so far have been sent or given up. */
  sent: Promise<void>;
}

/**
 * The files of an archive, checksums computed as the bytes are sent. A checksum that is needed but not
 * known, because a reader resumed behind the data, is computed by reading the data again; checksums of whole blocks
 * are kept, so that this is little.
 */
export function archiveFiles(tree: FileTree, nodes: number[], open: OpenBlock, book: ChecksumBook): ZipFiles {
  const progresses = new Map<number, Progress>();
  const nodeOf = (entry: number) => nodes[entry] ?? 0;

  function* slice(entry: number, range: ByteRange): Generator<LazyPart> {
    const node = nodeOf(entry);
    const progress: Progress = { crc: 0, length: 0, sent: Promise.resolve() };
    progresses.set(entry, progress);
    let position = range.offset;
    for (const segment of fileSegments(tree, node, range)) {
      const start = position;
      position += segment.length;
      const sent = Promise.withResolvers<void>();
      progress.sent = sent.promise;
      const onChecksum = (crc: number) => {
        if (isWhole(segment)) book.noteBlock(segment.block, crc);
        if (start !== progress.length) return;
        progress.crc = combineCrc32(progress.crc, crc, segment.length);
        progress.length += segment.length;
        if (progress.length === nodeSize(tree, node)) book.noteFile(node, progress.crc);
      };
      yield checkedPart(segment, onChecksum, sent.resolve);
    }
  }

  function checkedPart(segment: BlockSegment, onChecksum: (crc: number) => void, onSent: () => void): LazyPart {
    const known = isWhole(segment) ? book.block(segment.block) : null;
    return {
      length: segment.length,
      open: async (signal) => {
        const body = await openSegment(tree, segment, open, signal);
        const checked = known === null ? tapCrc32(body, onChecksum) : body;
        return {
          async pipeTo(to, options) {
            try {
              await checked.pipeTo(to, options);
              if (known !== null) onChecksum(known);
            } finally {
              onSent();
            }
          },
          async cancel(reason) {
            onSent();
            await checked.cancel(reason);
          },
        };
      },
    };
  }

  async function checksum(entry: number, signal: AbortSignal): Promise<number> {
    const node = nodeOf(entry);
    // The part before this one may still be on its way.
    await progresses.get(entry)?.sent;
    progresses.delete(entry);
    const known = book.file(node);
    if (known !== null) return known;
    let crc = 0;
    for (const segment of fileSegments(tree, node, { offset: 0, length: nodeSize(tree, node) })) {
      crc = combineCrc32(crc, await segmentChecksum(segment, signal), segment.length);
    }
    book.noteFile(node, crc);
    return crc;
  }

  async function segmentChecksum(segment: BlockSegment, signal: AbortSignal): Promise<number> {
    const known = isWhole(segment) ? book.block(segment.block) : null;
    if (known !== null) return known;
    const crc = await crc32OfPart(await openSegment(tree, segment, open, signal), signal);
    if (isWhole(segment)) book.noteBlock(segment.block, crc);
    return crc;
  }

  return { slice, checksum };
}

function isWhole({ offset, length, blockSize }: BlockSegment): boolean {
  return offset === 0 && length === blockSize;
}
