import type { BlockRange, Edit } from '../../collections/edit/edits.ts';
import { objectEtagOfRanges } from '../../collections/object-etag.ts';
import { logUpload } from '../../files/upload-log.ts';
import type { S3Call } from './call.ts';
import { checksumHeaders } from './checksums.ts';
import { S3Error } from './errors.ts';
import { EMPTY_ETAG } from './object.ts';
import { objectMetadata } from './object-metadata.ts';
import { receiveObject } from './receive-object.ts';
import { commitEdits, noDirectory, targetOfCommit, uploadDestination, writeConditions } from './write-place.ts';

/** PutObject. The object is there once its body has proved right, and not before. */
export async function putObject(call: S3Call): Promise<Response> {
  const { context, client, deps } = call;
  const { headers } = context.request;
  const target = await targetOfCommit(call);
  const { writer, uuid, path, isMarker } = target;
  const metadata = objectMetadata(headers, Date.now());
  const conditions = writeConditions(headers, path);
  const received = await receiveObject(call, await uploadDestination(call, target));
  if (isMarker && received.size > 0)
    throw new S3Error('InvalidArgument', 'a key that ends with a slash names a directory: it has no content');
  const checksum = received.checksum === null ? {} : { checksum: { ...received.checksum, type: 'FULL_OBJECT' } };
  const ranges = received.blocks.map(({ locator, size }): BlockRange => ({ locator, offset: 0, length: size }));
  const edit: Edit = isMarker
    ? { kind: 'mkdir', path, metadata }
    : { kind: 'put', path, ranges, metadata: { ...metadata, ...checksum } };
  await commitEdits(call, target, [edit], isMarker ? conditions : [...conditions, noDirectory(path)]);
  const token = client.token;
  logUpload({ context, deps, client: { token, user: writer.user }, target: { uuid, path } }, received.size);
  return new Response(null, {
    headers: {
      ETag: isMarker ? EMPTY_ETAG : objectEtagOfRanges(ranges),
      ...checksumHeaders(received.checksum),
    },
  });
}
