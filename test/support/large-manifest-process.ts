import type { ManifestBucket } from '../../src/collections/manifest-store.ts';
import { signatureCheck, signManifest } from '../../src/collections/sign-manifest.ts';
import { stageManifest } from '../../src/collections/stage-manifest.ts';
import { signLocator } from '../../src/keep/signature.ts';
import { jsonChunks, TextStream } from '../../src/streams/json/encoder.ts';
import { BodyReader } from '../../src/surfaces/arvados/request-body.ts';
import { manifestChunks, recordBody } from './large-manifest.ts';

/**
 * Run under a heap limit: takes a large manifest in and gives it out again, signed, as the API does, with a bucket that
 * keeps nothing. Prints what it counted and the most memory that was in use.
 */
const SEGMENTS = 1_300_000;
const TOKEN = 'v2/xedge-gj3su-000000000000000/secret';
const signing = { key: { key: 'key', ttlSeconds: 1_209_600 }, required: true };
const now = Date.now() / 1000;
const user = { uuid: 'xedge-tpzed-000000000000001', isAdmin: false, isActive: true, username: '', fullName: '' };
const locator = signLocator('acbd18db4cc2f85cedef654fccc4a4d8+67108864', TOKEN, Math.floor(now) + 3600, signing.key);

let peak = 0;
const sample = () => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  peak = Math.max(peak, heapUsed + arrayBuffers);
};
const upload = {
  uploadPart: (partNumber: number) => {
    sample();
    return Promise.resolve({ partNumber, etag: '' });
  },
  complete: () => Promise.resolve({}),
  abort: () => Promise.resolve(),
};
const bucket: ManifestBucket = {
  createMultipartUpload: () => Promise.resolve(upload),
  put: () => Promise.resolve(),
  get: () => Promise.resolve(null),
  delete: () => Promise.resolve(),
};

const request = { body: recordBody(manifestChunks(locator, SEGMENTS)), headers: new Headers() } as unknown as Request;
const reader = new BodyReader(request, 'collection');
const staged = await stageManifest(bucket, reader.manifest(), signatureCheck(user, TOKEN, now, signing));

const encoder = new TextEncoder();
async function* stored(): AsyncGenerator<Uint8Array> {
  for (const chunk of manifestChunks('acbd18db4cc2f85cedef654fccc4a4d8+67108864', SEGMENTS))
    yield encoder.encode(chunk);
}
let out = 0;
let chunks = 0;
for await (const chunk of jsonChunks({
  manifest_text: new TextStream(signManifest(stored(), TOKEN, now + 3600, signing)),
})) {
  out += chunk.length;
  if (chunks++ % 50 === 0) sample();
}
console.log(
  JSON.stringify({ files: staged.fileCount, bytes: staged.bytes, out, peak, record: reader.result().record }),
);
