import type { User } from '../../accounts/account.ts';
import type { BodyDestination } from '../../blocks/body-blocks.ts';
import type { Condition, Edit, Writer } from '../../collections/edit/edits.ts';
import type { Writing } from '../../files/writing.ts';
import { createBoundedMap } from '../../keep/bounded-map.ts';
import { parseSiteId } from '../../keep/collection-ids.ts';
import { isKeepError } from '../../keep/errors.ts';
import { EMPTY_HASH } from '../../keep/limits.ts';
import { INFIX, isUuid } from '../../records/ids.ts';
import { type Bucket, openBucket, placeOf } from './bucket.ts';
import { bucketName, objectKey, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { requireScope, writerOf, writingOf } from './writer.ts';

/** Where a call writes to, and who does. */
export interface WriteTarget {
  writing: Writing;
  writer: Writer & { user: User };
  uuid: string;
  /** In the collection, without slashes at either end. */
  path: string;
  /** The key ends with a slash: a directory is meant. */
  isMarker: boolean;
}

/**
 * The place of a key in a collection that may be written to.
 * @throws S3Error AccessDenied, NoSuchBucket, InvalidArgument
 */
export async function writeTarget(call: S3Call, key: string = objectKey(call), bucket?: Bucket): Promise<WriteTarget> {
  // Before the bucket is looked for: the public is told nothing of it.
  writingOf(call);
  writerOf(call);
  const opened = bucket ?? (await openBucket(call));
  const { collection, path } = await placeOf(call, key, opened).catch((error: unknown) => {
    if (opened.kind === 'project' && error instanceof S3Error && error.s3 === 'NoSuchKey')
      throw new S3Error(
        'InvalidArgument',
        'keys of a project begin with the name of a collection in it: make it first',
      );
    throw error;
  });
  const { uuid } = collection;
  if (uuid === null) throw new S3Error('AccessDenied', 'a portable data hash names content, which never changes');
  return targetIn(call, uuid, path);
}

/**
 * As writeTarget, for what is judged again before anything is written: a collection that is named by its UUID is not
 * looked at here. `requireCollection` and a commit, or `uploadDestination`, come next.
 * @throws S3Error as writeTarget
 */
export async function targetOfCommit(call: S3Call, key: string = objectKey(call)): Promise<WriteTarget> {
  const id = parseSiteId(bucketName(call));
  return id !== null && isUuid(id, INFIX.collection) ? targetIn(call, id, key) : writeTarget(call, key);
}

function targetIn(call: S3Call, uuid: string, path: string): WriteTarget {
  const writing = writingOf(call);
  const writer = writerOf(call);
  requireScope(call.client, 'PATCH', `/arvados/v1/collections/${uuid}`);
  call.context.log.collection_uuid = uuid;
  const isMarker = path.endsWith('/');
  const own = isMarker ? path.slice(0, -1) : path;
  if (own === '') throw new S3Error('InvalidArgument', 'the key names a collection, and nothing in it');
  return { writing, writer, uuid, path: own, isMarker };
}

/** Where the blocks of a body go. @throws S3Error AccessDenied; KeepError forbidden, not_found */
export async function uploadDestination(
  call: S3Call,
  { writing, writer, uuid }: WriteTarget,
): Promise<BodyDestination> {
  requireScope(call.client, 'PUT', `/${EMPTY_HASH}`);
  const { mayUpload } = writing;
  if (!(writer.user.isAdmin ? mayUpload.admin : mayUpload.user))
    throw new S3Error('AccessDenied', 'uploads are not permitted here: WEBDAV_PERMISSION');
  const place = await writing.requireWritable(uuid, writer).catch((error: unknown) => withBucket(call, error));
  return writing.destination(call.context, { token: call.client.token, user: writer.user }, place);
}

/** Collections that took a commit lately: they have their Durable Object. */
const written = createBoundedMap<true>({ maxEntries: 10_000, maxBytes: 512 * 1024, sizeOf: () => 50 });

/**
 * For a target that was not opened: a commit for a UUID that no collection has is refused as well, but the Durable Object
 * that refuses it would stay for ever.
 * @throws S3Error NoSuchBucket; KeepError forbidden, not_found
 */
export async function requireCollection(call: S3Call, { writing, writer, uuid }: WriteTarget): Promise<void> {
  if (written.get(uuid) !== undefined) return;
  await writing.requireWritable(uuid, writer).catch((error: unknown) => withBucket(call, error));
}

/** @throws S3Error NoSuchBucket; KeepError as Commits.edit */
export async function commitEdits(
  call: S3Call,
  { writing, writer, uuid }: WriteTarget,
  edits: Edit[],
  conditions: Condition[],
): Promise<void> {
  await writing.commits
    .edit(uuid, { writer, edits, conditions, lockTokens: [] })
    .catch((error: unknown) => withBucket(call, error));
  written.set(uuid, true);
}

/** What is not there may be the bucket rather than a key in it. */
async function withBucket(call: S3Call, error: unknown): Promise<never> {
  if (isKeepError(error, 'not_found')) await openBucket(call);
  throw error;
}

const FAILED = {
  code: 'precondition_failed',
  message: 'At least one of the pre-conditions you specified did not hold',
} as const;

/** What `If-Match` and `If-None-Match` demand of an object when a change of it commits. */
export function writeConditions(headers: Headers, path: string): Condition[] {
  const ifNoneMatch = headers.get('If-None-Match');
  const ifMatch = headers.get('If-Match');
  return [
    ...(ifNoneMatch === null ? [] : [noneMatchCondition(ifNoneMatch, path)]),
    ...(ifMatch === null ? [] : matchConditions(ifMatch, path)),
  ];
}

/** The object must not be there, or have another ETag. */
function noneMatchCondition(ifNoneMatch: string, path: string): Condition {
  return ifNoneMatch.trim() === '*'
    ? { path, is: ['absent', 'directory'], otherwise: FAILED }
    : { path, etag: ifNoneMatch.split(',').map(quotedEtag), matches: false, otherwise: FAILED };
}

/** The object must be there, with this ETag. */
export function matchConditions(ifMatch: string, path: string): Condition[] {
  const etag = ifMatch.split(',').map((tag) => quotedEtag(tag));
  return [
    {
      path,
      is: ['file'],
      otherwise: { code: 'not_found', message: 'The specified key does not exist.' },
    },
    { path, etag: etag.includes('"*"') ? ['*'] : etag, matches: true, otherwise: FAILED },
  ];
}

/** Clients send ETags with quotes and without. */
export function quotedEtag(text: string): string {
  return `"${text.trim().replace(/^"|"$/g, '')}"`;
}

/** A file is not put where a directory is. */
export function noDirectory(path: string): Condition {
  return {
    path,
    is: ['absent', 'file'],
    otherwise: { code: 'bad_request', message: 'object name conflicts with existing directory' },
  };
}
