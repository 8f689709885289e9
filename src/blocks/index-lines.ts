import { indexBlocks } from '../storage/bucket-index.ts';
import type { Mount } from '../storage/mounts.ts';
import type { PumpedBody } from '../streams/part.ts';

/**
 * The index of some mounts as text: one line a block, and one blank line at the end only when the listing is complete.
 * A failure before the first line is thrown; a later one breaks the stream off.
 */
export async function indexLines(mounts: Mount[], prefix: string): Promise<PumpedBody> {
  const pages = linesOf(mounts, prefix);
  const first = await pages.next();
  const encoder = new TextEncoder();
  const { readable, writable } = new IdentityTransformStream();
  const pump = async () => {
    const writer = writable.getWriter();
    try {
      for (let page = first; !page.done; page = await pages.next()) await writer.write(encoder.encode(page.value));
      await writer.write(encoder.encode('\n'));
      await writer.close();
    } catch (error) {
      await Promise.allSettled([writer.abort(error), pages.return(undefined)]);
      throw error;
    }
  };
  return { body: readable, done: pump() };
}

async function* linesOf(mounts: Mount[], prefix: string): AsyncGenerator<string> {
  for (const { store, prefixLength } of mounts) {
    for await (const entries of indexBlocks(store, prefixLength, prefix)) {
      yield entries.map(({ hash, size, mtime }) => `${hash}+${size} ${mtime}000000000\n`).join('');
    }
  }
}
