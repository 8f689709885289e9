import { KeepError } from '../keep/errors.ts';
import { bareLocator } from '../keep/locator.ts';
import { LocatorRewriter } from '../keep/manifest/rewrite.ts';
import { createMd5 } from '../streams/md5-stream.ts';

/** Holds a manifest against its portable data hash as it passes. */
export interface ManifestCheck {
  push(chunk: Uint8Array): Promise<void>;
  /** @throws KeepError corrupt when what was pushed is not the manifest of that hash */
  end(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}

/** @param isBare the text has no hints but sizes: it is hashed as it is, natively */
export function checkManifest(portableDataHash: string, isBare = false): ManifestCheck {
  const md5 = createMd5();
  const rewriter = isBare ? null : new LocatorRewriter(bareLocator);
  let bytes = 0;
  const add = async (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    await md5.write(chunk);
  };
  return {
    async push(chunk) {
      if (rewriter === null) return add(chunk);
      for (const bare of rewriter.push(chunk)) await add(bare);
    },
    async end() {
      if (rewriter !== null) await add(rewriter.end());
      if (`${await md5.hex()}+${bytes}` !== portableDataHash) {
        throw new KeepError('corrupt', {
          message: `the stored manifest is not the one of ${portableDataHash}: the collection cannot be read`,
        });
      }
    },
    abort: (reason) => md5.abort(reason),
  };
}

/**
 * A stored manifest that never ends well unless it has its portable data hash: the last chunk is held back until then,
 * because a text that was cut at the end of a line looks whole.
 *
 * @param textBytes the length of the whole text: tells whether it has hints
 */
export function checkedManifest(
  text: ReadableStream<Uint8Array>,
  portableDataHash: string,
  textBytes: number,
): ReadableStream<Uint8Array> {
  const reader = text.getReader();
  const check = checkManifest(portableDataHash, portableDataHash.endsWith(`+${textBytes}`));
  let held: Uint8Array | null = null;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await reader.read();
            const ready = held;
            if (done) await check.end();
            else await check.push(value);
            held = done ? null : value;
            if (ready !== null) controller.enqueue(ready);
            if (done) return controller.close();
            if (ready !== null) return;
          }
        } catch (error) {
          await Promise.allSettled([check.abort(error), reader.cancel(error)]);
          throw error;
        }
      },
      async cancel(reason) {
        await Promise.allSettled([check.abort(reason), reader.cancel(reason)]);
      },
    },
    { highWaterMark: 0 },
  );
}
