import { createMD5 } from 'hash-wasm';

/** Hashes blocks one after the other: a Blob comes in, its MD5 goes out. A few hundred KiB are in memory at a time. */

const hasher = createMD5();
let turn = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<{ id: number; block: Blob }>) => {
  turn = turn.then(() => answer(data.id, data.block));
};

async function answer(id: number, block: Blob): Promise<void> {
  try {
    const md5 = await hasher;
    md5.init();
    const reader = block.stream().getReader();
    let ms = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const started = performance.now();
      md5.update(next.value);
      ms += performance.now() - started;
    }
    self.postMessage({ id, hash: md5.digest('hex'), ms });
  } catch (error) {
    self.postMessage({ id, problem: error instanceof Error ? error.message : String(error) });
  }
}
