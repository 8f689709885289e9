import type { Condition, Edit } from '../../collections/edit/edits.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { checkKey, objectKey, type S3Call } from './call.ts';
import { S3Error, s3FailureOf } from './errors.ts';
import { requestXml } from './request-xml.ts';
import { matchConditions, type WriteTarget, writeConditions, writeTarget } from './write-place.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';
import { children, childText, type XmlNode } from './xml-document.ts';

const MAX_KEYS = 1000;

/** DeleteObject: what is not there is deleted already. A directory goes only when it is empty. */
export async function deleteObject(call: S3Call): Promise<Response> {
  requireCurrent(call.query.get('versionId') ?? undefined);
  const key = objectKey(call);
  const target = await targetOrNull(call, key, await openBucket(call));
  if (target !== null) {
    const { headers } = call.context.request;
    if (headers.has('x-amz-if-match-last-modified-time') || headers.has('x-amz-if-match-size'))
      throw unknownCondition();
    const conditions = writeConditions(headers, target.path);
    await commitDeletes(target, [editOf(target)], conditions);
  }
  return new Response(null, { status: 204 });
}

/** What a client wants to guard must not be deleted without a look. */
function unknownCondition(): S3Error {
  return new S3Error('NotImplemented', 'the condition of a delete is an ETag: time and size are not looked at');
}

/** Objects have no versions: `null` is the only one. */
function requireCurrent(versionId: string | undefined): void {
  if (versionId !== undefined && versionId !== '' && versionId !== 'null') throw new S3Error('NoSuchVersion');
}

/** DeleteObjects: all keys of a collection go in one commit. */
export async function deleteObjects(call: S3Call): Promise<Response> {
  const bucket = await openBucket(call);
  const document = await requestXml(call, 'Delete');
  const isQuiet = childText(document, 'Quiet') === 'true';
  const keys = keysToDelete(document);
  const failures = new Map<string, unknown>();
  const byCollection = new Map<string, { target: WriteTarget; keys: string[]; edits: Edit[] }>();
  const finder = targetFinder(call, bucket);
  for (const { key, versionId, etag, isOther } of keys) {
    try {
      requireCurrent(versionId);
      const target = await finder(key);
      if (isOther !== undefined) throw unknownCondition();
      if (target === null) continue;
      if (etag !== undefined) {
        await commitDeletes(target, [editOf(target)], matchConditions(etag, target.path));
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
      await commitDeletes(target, edits, []);
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
    const isOther = childText(object, 'LastModifiedTime') ?? childText(object, 'Size');
    return { key, versionId: childText(object, 'VersionId'), etag: childText(object, 'ETag'), isOther };
  });
}

/** Null for a key that nothing can have. */
async function targetOrNull(call: S3Call, key: string, bucket: Bucket): Promise<WriteTarget | null> {
  try {
    return await writeTarget(call, checkKey(key), bucket);
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
    const target = await targetOrNull(call, key, bucket);
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

async function commitDeletes({ writing, writer, uuid }: WriteTarget, edits: Edit[], conditions: Condition[]) {
  await writing.commits.edit(uuid, { writer, edits, conditions, lockTokens: [] });
}
