import type { Entry, OpenCollection } from '../../collections/source.ts';
import { openerOf } from '../../files/open-cache.ts';
import { childOf } from '../../files/project-names.ts';
import { createBoundedMap } from '../../keep/bounded-map.ts';
import { parseSiteId } from '../../keep/collection-ids.ts';
import { isKeepError } from '../../keep/errors.ts';
import { bucketName, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';

/** What a bucket's name stands for, for one client. */
export type Bucket =
  | { kind: 'collection'; collection: OpenCollection }
  /** Keys begin with the name of a collection, or of a project in it. */
  | { kind: 'project'; uuid: string };

/** Where a key leads: a path in a collection, '' for its root. */
export interface Place {
  collection: OpenCollection;
  path: string;
}

/** S3's rules for names of buckets, as far as they matter: lower case, no slash, 3 to 63 characters. */
const NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export function isBucketName(text: string): boolean {
  return NAME.test(text) && !text.includes('..') && parseSiteId(text) === null;
}

const ADDRESS = /^\d+\.\d+\.\d+\.\d+$/;
/** What AWS keeps for itself: clients take such names for something else. */
const RESERVED = /^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

/** Names that clients take, of those that may be bucket names: a collection may have others already. */
export function isNewBucketName(text: string): boolean {
  return isBucketName(text) && !/\.-|-\./.test(text) && !ADDRESS.test(text) && !RESERVED.test(text);
}

/**
 * The bucket of a call: a UUID of a collection or project, a portable data hash, or the name of a collection in the
 * caller's home.
 * @throws S3Error NoSuchBucket, also for what the client may not see; AccessDenied for the same without a signature
 */
export async function openBucket(call: S3Call, text: string = bucketName(call)): Promise<Bucket> {
  const { deps, client, context } = call;
  const id = parseSiteId(text);
  if (id?.includes('-j7d0g-')) {
    const project = await readable(call, () => deps.collections.project(id, client.token, context.signal));
    return { kind: 'project', uuid: project.uuid };
  }
  return { kind: 'collection', collection: await (id === null ? openNamed(call, text) : openCollection(call, id)) };
}

/**
 * What names in homes stood for lately, by user and name. What is opened must still have the name, in that home: the same
 * statement that each request needs says so.
 */
const named = createBoundedMap<string>({ maxEntries: 1000, maxBytes: 512 * 1024, sizeOf: (uuid) => 2 * uuid.length });

/** @throws S3Error NoSuchBucket */
async function openNamed(call: S3Call, name: string): Promise<OpenCollection> {
  const { deps, client, context } = call;
  const home = client.user?.uuid ?? '';
  const key = `${home} ${name}`;
  // A token of narrower scopes may open a collection, and yet not look for names.
  const known = client.account.scopes.includes('all') && isBucketName(name) ? named.get(key) : undefined;
  if (known !== undefined) {
    const opened = await openerOf(deps).open(known, client.token, false, context.signal);
    if (opened?.name === name && opened.ownerUuid === home) return opened;
    named.delete(key);
  }
  const found = await namedCollection(call, name);
  if (found === null) throw new S3Error(client.user === null ? 'AccessDenied' : 'NoSuchBucket');
  const collection = await openCollection(call, found.uuid);
  if (collection.ownerUuid === home) named.set(key, found.uuid);
  return collection;
}

/** The collection in the caller's home that has this name; null where there is none. */
export async function namedCollection({ deps, client, context }: S3Call, name: string): Promise<Entry | null> {
  if (client.user === null || !isBucketName(name)) return null;
  return deps.collections.child(client.user.uuid, name, client.token, context.signal, 'collection');
}

/**
 * Where a key of a bucket leads.
 * @throws S3Error NoSuchBucket; NoSuchKey where a project has no such collection
 */
export async function placeOf(call: S3Call, key: string, bucket?: Bucket): Promise<Place> {
  const opened = bucket ?? (await openBucket(call));
  if (opened.kind === 'collection') return { collection: opened.collection, path: key };
  const { deps, client, context } = call;
  let owner = opened.uuid;
  let rest = key;
  for (;;) {
    const slash = rest.indexOf('/');
    const name = slash < 0 ? rest : rest.slice(0, slash);
    const found = name === '' ? null : (await childOf(deps, owner, name, client.token, context.signal)).entry;
    if (found === null || slash < 0) throw new S3Error('NoSuchKey');
    rest = rest.slice(slash + 1);
    if (found.kind === 'collection') return { collection: await openCollection(call, found.uuid), path: rest };
    owner = found.uuid;
  }
}

export async function openCollection(call: S3Call, id: string): Promise<OpenCollection> {
  const { deps, client, context } = call;
  return readable(call, () => openerOf(deps).open(id, client.token, false, context.signal));
}

/** The public is told to sign rather than that there is nothing. */
async function readable<T>({ signed }: S3Call, open: () => Promise<T | null>): Promise<T> {
  const missing = () => new S3Error(signed === null ? 'AccessDenied' : 'NoSuchBucket');
  try {
    const found = await open();
    if (found !== null) return found;
  } catch (error) {
    if (!isKeepError(error, 'unauthorized') && !isKeepError(error, 'no_token')) throw error;
    throw new S3Error(signed === null ? 'AccessDenied' : 'InvalidAccessKeyId');
  }
  throw missing();
}
