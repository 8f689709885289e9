import type { Entry } from '../../collections/source.ts';
import { parseSiteId } from '../../keep/collection-ids.ts';
import { isKeepError } from '../../keep/errors.ts';
import { requirePrivate } from './acl.ts';
import { isBucketName, isNewBucketName, namedCollection, openBucket } from './bucket.ts';
import { bucketName, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { countParameter } from './list-objects.ts';
import { requireScope, writerOf, writingOf } from './writer.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

/** Buckets of one answer: AWS's clients go on by its token. */
const MAX_BUCKETS = 1000;
/** Collections and projects in a home that are put in the order of their names. */
const MAX_NAMES = 20_000;
const EMPTY_PDH = 'd41d8cd98f00b204e9800998ecf8427e+0';

interface Listed {
  name: string;
  createdAt: string;
}

/**
 * ListBuckets: collections in the caller's home by their names, then all other collections and projects that the token
 * may see, by their UUIDs.
 */
export async function listBuckets(call: S3Call): Promise<Response> {
  const { query, client, deps } = call;
  if (client.user === null) throw new S3Error('AccessDenied', 'a list of buckets is for those who sign their requests');
  const limit = countParameter(query, 'max-buckets', MAX_BUCKETS);
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token') ?? '';
  const buckets: Listed[] = [];
  for await (const bucket of bucketsAfter(call, token, prefix)) {
    buckets.push(bucket);
    if (buckets.length > limit) break;
  }
  const page = buckets.slice(0, limit);
  const next = buckets.length > limit ? page.at(-1)?.name : undefined;
  const owner = textElement('ID', client.user.uuid) + textElement('DisplayName', client.user.username);
  const items = page.map(({ name, createdAt }) =>
    element(
      'Bucket',
      textElement('Name', name) +
        textElement('CreationDate', new Date(createdAt).toISOString()) +
        textElement('BucketRegion', deps.s3.clusterId),
    ),
  );
  return xmlResponse(
    s3Document(
      'ListAllMyBucketsResult',
      element('Owner', owner) +
        element('Buckets', items.join('')) +
        (next === undefined ? '' : textElement('ContinuationToken', next)) +
        (prefix === '' ? '' : textElement('Prefix', prefix)),
    ),
  );
}

/** @param after the last bucket of the page before; '' from the beginning */
async function* bucketsAfter(call: S3Call, after: string, prefix: string): AsyncGenerator<Listed> {
  const { deps, client, context } = call;
  const home = client.user?.uuid ?? '';
  const isName = (entry: Entry) => entry.kind === 'collection' && isBucketName(entry.name);
  if (parseSiteId(after) === null) {
    const names: Listed[] = [];
    let count = 0;
    for await (const entry of deps.collections.contents(home, client.token, context.signal)) {
      if (++count > MAX_NAMES) break;
      if (isName(entry) && entry.name > after && entry.name.startsWith(prefix))
        names.push({ name: entry.name, createdAt: entry.createdAt });
    }
    yield* names.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  // A kind at a time: UUIDs of projects after those of collections.
  const seen = parseSiteId(after) ?? '';
  for (const kind of ['collection', 'project'] as const) {
    if (kind === 'collection' && seen.includes('-j7d0g-')) continue;
    const last = (kind === 'project') === seen.includes('-j7d0g-') ? seen : '';
    // Only a whole UUID is its own prefix.
    const before = parseSiteId(prefix) === null ? prefix : prefix.slice(0, -1);
    let from = [last, before].sort().at(-1) ?? '';
    pages: for (;;) {
      const page = await deps.collections.visible(kind, from, MAX_BUCKETS, client.token, context.signal);
      for (const entry of page) {
        if (!entry.uuid.startsWith(prefix)) {
          if (entry.uuid > prefix) break pages;
          continue;
        }
        if (entry.ownerUuid === home && isName(entry)) continue;
        yield { name: entry.uuid, createdAt: entry.createdAt };
      }
      const end = page.at(-1);
      if (end === undefined) break;
      from = end.uuid;
    }
  }
}

/** CreateBucket: a collection of that name in the caller's home. What is there already and can be written is no error. */
export async function createBucket(call: S3Call): Promise<Response> {
  const { client, context } = call;
  await context.request.body?.cancel();
  requireNothingSpecial(context.request.headers);
  const name = bucketName(call);
  const writing = writingOf(call);
  const writer = writerOf(call);
  const location = new Response(null, { headers: { Location: `/${name}` } });
  if (parseSiteId(name) !== null) {
    const bucket = await openBucket(call);
    if (bucket.kind === 'project') return location;
    if (bucket.collection.uuid === null)
      throw new S3Error('AccessDenied', 'a portable data hash names content that does not change');
    requireScope(client, 'PATCH', `/arvados/v1/collections/${bucket.collection.uuid}`);
    await writing.requireWritable(bucket.collection.uuid, writer);
    return location;
  }
  if ((await namedCollection(call, name)) !== null) return location;
  if (!isNewBucketName(name))
    throw new S3Error(
      'InvalidBucketName',
      'a bucket has 3 to 63 lower-case letters, digits, dots and hyphens as S3 rules, or is the UUID of a collection or project',
    );
  requireScope(client, 'POST', '/arvados/v1/collections');
  try {
    await writing.projects.createCollection(writer.user.uuid, name, writer);
  } catch (error) {
    // Made by another request meanwhile.
    if (!isKeepError(error, 'invalid_record') || (await namedCollection(call, name)) === null) throw error;
  }
  return location;
}

/** What cannot be had is refused rather than left out: above all, nothing becomes public by a header. */
function requireNothingSpecial(headers: Headers): void {
  requirePrivate(headers);
  if (headers.get('x-amz-bucket-object-lock-enabled') === 'true')
    throw new S3Error('NotImplemented', 'there are no object locks');
}

/** DeleteBucket: an empty collection goes to the trash. */
export async function deleteBucket(call: S3Call): Promise<Response> {
  const bucket = await openBucket(call);
  if (bucket.kind === 'project' || bucket.collection.uuid === null)
    throw new S3Error('AccessDenied', 'only collections are deleted as buckets');
  const { uuid, portableDataHash } = bucket.collection;
  const writing = writingOf(call);
  requireScope(call.client, 'DELETE', `/arvados/v1/collections/${uuid}`);
  if (portableDataHash !== EMPTY_PDH) throw new S3Error('BucketNotEmpty');
  try {
    await writing.projects.trashCollection(uuid, writerOf(call), EMPTY_PDH);
  } catch (error) {
    throw isKeepError(error, 'precondition_failed') ? new S3Error('BucketNotEmpty') : error;
  }
  return new Response(null, { status: 204 });
}
