import type { Condition, Edit } from '../../collections/edit/edits.ts';
import { httpDate } from '../../files/http-date.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { checkKey, type S3Call } from './call.ts';
import { S3Error, s3FailureOf } from './errors.ts';
import { findObject } from './object.ts';
import { requestXml } from './request-xml.ts';
import {
  commitEdits,
  matchConditions,
  requireCollection,
  targetOfCommit,
  type WriteTarget,
  writeConditions,
  writeTarget,
} from './write-place.ts';
import { writerOf, writingOf } from './writer.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';
import { children, childText, type XmlNode } from './xml-document.ts';

const MAX_KEYS = 1000;

/** DeleteObject: what is not there is deleted already. A directory goes only when it is empty. */
export async function deleteObject(call: S3Call): Promise<Response> {
  requireCurrent(call.query.get('versionId') ?? undefined);
  const key = call.address.key ?? '';
  const target = await orNull(async () => targetOfCommit(call, checkKey(key)));
  // No object can have such a key, but the bucket must be there.
  if (target === null) await openBucket(call);
  if (target !== null) {
    await requireCollection(call, target);
    const { headers } = call.context.request;
    const facts = {
      size: headers.get('x-amz-if-match-size') ?? undefined,
      modified: headers.get('x-amz-if-match-last-modified-time') ?? undefined,
    };
    const conditions = [...writeConditions(headers, target.path), ...(await factConditions(call, key, target, facts))];
    await commitEdits(call, target, [editOf(target)], conditions);
  }
  return new Response(null, { status: 204 });
}

/** What a client knows of the object that it wants to delete, beside its ETag: as sent. */
interface Facts {
  size: string | undefined;
  modified: string | undefined;
}

/**
 * Size and time are looked at before the commit, which then takes this object only, by its ETag. What is not there is
 * deleted already.
 * @throws S3Error PreconditionFailed, InvalidArgument
 */
async function factConditions(
  call: S3Call,
  key: string,
  { path }: WriteTarget,
  { size, modified }: Facts,
): Promise<Condition[]> {
  if (size === undefined && modified === undefined) return [];
  const time = modified === undefined ? null : (httpDate(modified) ?? Date.parse(modified));
  if ((size !== undefined && !/^\d{1,15}$/.test(size)) || Number.isNaN(time))
    throw new S3Error('InvalidArgument', 'the condition of a delete has a size or a time that is none');
  const object = await findObject(call, key).catch((error: unknown) => {
    if (error instanceof S3Error && error.s3 === 'NoSuchKey') return null;
    throw error;
  });
  if (object === null) return [];
  const seconds = (ms: number) => Math.floor(ms / 1000);
  if (
    (size !== undefined && Number(size) !== object.size) ||
    (time !== null && seconds(time) !== seconds(object.modified))
  )
    throw new S3Error('PreconditionFailed');
  return key.endsWith('/') ? [] : matchConditions(object.etag, path);
}

/** Objects have no versions: `null` is the only one. */
function requireCurrent(versionId: string | undefined): void {
  if (versionId !== undefined && versionId !== '' && versionId !== 'null') throw new S3Error('NoSuchVersion');
}

/** DeleteObjects: all keys of a collection go in one commit. */
export async function deleteObjects(call: S3Call): Promise<Response> {
  // Before the document is read: the public deletes nothing.
  writingOf(call);
  writerOf(call);
  const bucket = await openBucket(call);
  const document = await requestXml(call, 'Delete');
  const isQuiet = childText(document, 'Quiet') === 'true';
  const keys = keysToDelete(document);
  const failures = new Map<string, unknown>();
  const byCollection = new Map<string, { target: WriteTarget; keys: string[]; edits: Edit[] }>();
  const finder = targetFinder(call, bucket);
  for (const { key, versionId, etag, ...facts } of keys) {
    try {
      requireCurrent(versionId);
      const target = await finder(key);
      if (target === null) continue;
      const conditions = [
        ...(etag === undefined ? [] : matchConditions(etag, target.path)),
        ...(await factConditions(call, key, target, facts)),
      ];
      if (conditions.length > 0) {
        await commitEdits(call, target, [editOf(target)], conditions);
        continue;
      }
      const group = byCollection.get(target.uuid) ?? { target, keys: [], edits: [] };
      byCollection.set(target.uuid, group);
      group.keys.push(key);
      group.edits.push(editOf(target));
    } catch (error) {
      failures.set(key, error);
    }
  }
  for (const { target, keys: own, edits } of byCollection.values()) {
    try {
      await commitEdits(call, target, edits, []);
    } catch (error) {
      for (const key of own) failures.set(key, error);
    }
  }
  const results = keys.map(({ key }) => {
    const failure = failures.get(key);
    if (failure === undefined) return isQuiet ? '' : element('Deleted', textElement('Key', key));
    const { code, message } = s3FailureOf(failure);
    return element('Error', textElement('Key', key) + textElement('Code', code) + textElement('Message', message));
  });
  return xmlResponse(s3Document('DeleteResult', results.join('')));
}

/** @throws S3Error MalformedXML */
export function keysToDelete(document: XmlNode) {
  const objects = children(document, 'Object');
  if (objects.length === 0 || objects.length > MAX_KEYS) throw new S3Error('MalformedXML');
  return objects.map((object) => {
    const key = childText(object, 'Key');
    if (key === undefined || key === '') throw new S3Error('MalformedXML');
    const text = (name: string) => childText(object, name);
    return {
      key,
      versionId: text('VersionId'),
      etag: text('ETag'),
      size: text('Size'),
      modified: text('LastModifiedTime'),
    };
  });
}

/** Null for a key that nothing can have. */
async function orNull(find: () => Promise<WriteTarget>): Promise<WriteTarget | null> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof S3Error && (error.s3 === 'InvalidArgument' || error.s3 === 'KeyTooLongError')) return null;
    throw error;
  }
}

/** Looks each collection up once. */
function targetFinder(call: S3Call, bucket: Bucket): (key: string) => Promise<WriteTarget | null> {
  const known: { above: string; target: WriteTarget }[] = [];
  return async (key) => {
    const before = known.find(({ above }) => key.startsWith(above));
    if (before !== undefined) {
      try {
        checkKey(key);
      } catch {
        return null;
      }
      const isMarker = key.endsWith('/');
      const path = key.slice(before.above.length, isMarker ? -1 : undefined);
      return path === '' ? null : { ...before.target, path, isMarker };
    }
    const target = await orNull(async () => writeTarget(call, checkKey(key), bucket));
    if (target !== null) {
      const own = target.isMarker ? `${target.path}/` : target.path;
      known.push({ above: key.slice(0, key.length - own.length), target });
    }
    return target;
  };
}

function editOf({ path, isMarker }: WriteTarget): Edit {
  return isMarker ? { kind: 'unmark', path } : { kind: 'delete', path, prunes: true };
}
