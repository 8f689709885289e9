import { env } from 'cloudflare:workers';
import { createR2ObjectStore } from '../../../src/storage/r2-object-store.ts';
import { describeObjectStore } from './object-store-contract.ts';

const { BLOCKS } = env as unknown as { BLOCKS: R2Bucket };

describeObjectStore('an R2 bucket', async () => ({
  store: createR2ObjectStore(BLOCKS),
  putInParts: async (key, parts) => {
    const upload = await BLOCKS.createMultipartUpload(key);
    const uploaded = [];
    for (const [index, part] of parts.entries()) uploaded.push(await upload.uploadPart(index + 1, part));
    await upload.complete(uploaded);
  },
}));
