import { bodyOf } from '../../blocks/block-request.ts';
import { storeBody } from '../../blocks/store-body.ts';
import type { BlockRange } from '../../collections/edit/edits.ts';
import { etagOfRanges } from '../../collections/file-etag.ts';
import { logUpload } from '../../files/upload-log.ts';
import { KeepError } from '../../keep/errors.ts';
import { isDropped } from './litter.ts';
import { commit, parentIsDirectory, type Write, writerOf } from './write-request.ts';

/** PUT: a body becomes a file, of any length and also without one. What is wrong with the request is said before the body is read. */
export async function putFile(asked: Write): Promise<Response> {
  const { context, writing, client, target, address } = asked;
  const { request } = context;
  const { path } = target;
  if (request.headers.has('Content-Range'))
    throw new KeepError('bad_request', { message: 'a part of a file cannot be replaced: PUT the whole file' });
  if (path === '' || address.trailingSlash)
    throw new KeepError(path === '' ? 'method_not_allowed' : 'conflict', {
      message: 'a directory is made with MKCOL: this address ends with a slash',
    });
  const { mayUpload } = writing;
  if (!(client.user.isAdmin ? mayUpload.admin : mayUpload.user))
    throw new KeepError('forbidden', { message: 'Not permitted' });
  if (await isDropped(asked)) {
    await request.body?.cancel();
    return new Response(null, { status: 201 });
  }
  const place = await writing.requireWritable(target.uuid, writerOf(client));
  const length = lengthOf(request);
  const md5 = md5Of(request);
  const storing = storeBody(
    bodyOf(request),
    { length, isNative: length !== null, ...(md5 === null ? {} : { md5 }) },
    writing.destination(context, client, place),
  );
  // What was set aside is removed even when the client goes away.
  context.waitUntil(storing.catch(() => undefined));
  const blocks = await storing.catch((error: unknown) => {
    throw context.signal.aborted ? new KeepError('client_gone', { cause: error }) : error;
  });
  if (context.signal.aborted) throw new KeepError('client_gone');
  const ranges = blocks.map(({ locator, size }): BlockRange => ({ locator, offset: 0, length: size }));
  const { before } = await commit(
    asked,
    [{ kind: 'put', path, ranges }],
    [
      parentIsDirectory(path),
      { path, is: ['absent', 'file'], otherwise: { code: 'method_not_allowed', message: 'a directory is there' } },
    ],
  );
  logUpload(
    asked,
    blocks.reduce((sum, { size }) => sum + size, 0),
  );
  return new Response(null, {
    status: before[path] === 'absent' ? 201 : 204,
    headers: { ETag: etagOfRanges(ranges) },
  });
}

function lengthOf(request: Request): number | null {
  const text = request.headers.get('Content-Length');
  if (text === null) return request.body === null ? 0 : null;
  if (!/^\d+$/.test(text)) throw new KeepError('bad_request', { message: 'Content-Length is not a number' });
  return Number(text);
}

/** Lowercase hex, from Content-MD5 (base64) or OwnCloud's OC-Checksum. @throws KeepError bad_request */
function md5Of({ headers }: Request): string | null {
  const base64 = headers.get('Content-MD5');
  if (base64 !== null) {
    const bytes = /^[A-Za-z0-9+/]{22}==$/.test(base64.trim()) ? atob(base64.trim()) : null;
    if (bytes === null) throw new KeepError('bad_request', { message: 'Content-MD5 is the base64 form of 16 bytes' });
    return Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  }
  return /^MD5:([0-9a-f]{32})$/i.exec(headers.get('OC-Checksum')?.trim() ?? '')?.[1]?.toLowerCase() ?? null;
}
