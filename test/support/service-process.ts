import { createWriteStream } from 'node:fs';
import { type ServeOptions, serve } from '../../dev/serve.ts';

/**
 * The child behind service.ts: one service in a process of its own, told what to do over the IPC channel.
 * It stops when the channel closes, so that no service outlives the test that started it.
 */
export type ServiceCall =
  | { verb: 'start'; options: Omit<ServeOptions, 'onLog'> }
  | { verb: 'scheduled' }
  | { verb: 'evictObjects'; className: string }
  | { verb: 'r2Get'; binding: string; key: string }
  | { verb: 'r2Put'; binding: string; key: string; body: Uint8Array }
  | { verb: 'r2PutInParts'; binding: string; key: string; parts: Uint8Array[] }
  | { verb: 'r2StartParts'; binding: string; key: string }
  | { verb: 'r2PutPart'; binding: string; key: string; uploadId: string; number: number; body: Uint8Array }
  | { verb: 'r2FinishParts'; binding: string; key: string; uploadId: string; parts: UploadedPart[] }
  | { verb: 'r2Delete'; binding: string; key: string }
  | { verb: 'r2List'; binding: string; prefix: string };

export interface UploadedPart {
  partNumber: number;
  etag: string;
}

export interface ObjectVersion {
  key: string;
  version: string;
}

const log = createWriteStream('', { fd: 3 });
let service: Awaited<ReturnType<typeof serve>> | undefined;

process.on('message', ({ id, call }: { id: number; call: ServiceCall }) => {
  answer(call).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => void stop());

async function stop(): Promise<void> {
  await service?.stop();
  process.exit(0);
}

async function answer(call: ServiceCall): Promise<unknown> {
  if (call.verb === 'start') {
    service = await serve({ ...call.options, onLog: (line) => log.write(`${line}\n`) });
    return { url: service.url, workerdPid: service.workerdPid(), inspectorUrl: service.inspectorUrl };
  }
  if (service === undefined) throw new Error('the service is not running');
  if (call.verb === 'scheduled') return service.scheduled();
  if (call.verb === 'evictObjects') return service.evictObjects(call.className);
  const bucket = await service.r2Bucket(call.binding);
  switch (call.verb) {
    case 'r2Get': {
      const object = await bucket.get(call.key);
      return object === null ? null : new Uint8Array(await object.arrayBuffer());
    }
    case 'r2Put':
      await bucket.put(call.key, call.body);
      return;
    case 'r2PutInParts': {
      const upload = await bucket.createMultipartUpload(call.key);
      const parts = [];
      for (const [index, part] of call.parts.entries()) parts.push(await upload.uploadPart(index + 1, part));
      await upload.complete(parts);
      return;
    }
    case 'r2StartParts':
      return (await bucket.createMultipartUpload(call.key)).uploadId;
    case 'r2PutPart': {
      const upload = bucket.resumeMultipartUpload(call.key, call.uploadId);
      const { partNumber, etag } = await upload.uploadPart(call.number, call.body);
      return { partNumber, etag };
    }
    case 'r2FinishParts':
      await bucket.resumeMultipartUpload(call.key, call.uploadId).complete(call.parts);
      return;
    case 'r2Delete':
      return bucket.delete(call.key);
    case 'r2List': {
      const versions: ObjectVersion[] = [];
      let cursor: string | undefined;
      do {
        const page = await bucket.list({ prefix: call.prefix, ...(cursor === undefined ? {} : { cursor }) });
        versions.push(...page.objects.map(({ key, version }) => ({ key, version })));
        cursor = page.truncated ? page.cursor : undefined;
      } while (cursor !== undefined);
      return versions;
    }
  }
}
