import type { FileMetadata } from '../../collections/edit/edits.ts';
import { isDirectory, nodeSize } from '../../collections/file-tree.ts';
import { decodeName, nameBytes } from '../../keep/manifest/names.ts';
import { decodeUriName, encodeUriName } from '../../keep/manifest/uri-names.ts';
import { ownerFields } from './acl.ts';
import { openBucket } from './bucket.ts';
import { keySource } from './bucket-keys.ts';
import { bucketName, type S3Call } from './call.ts';
import { S3Error } from './errors.ts';
import { type KeyPage, type Listed, listKeys, startAfter } from './list-keys.ts';
import { etagOf } from './object.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

/** AWS's, which is also the default. */
const MAX_KEYS = 1000;

/** What all forms of the listing ask. */
interface Asked {
  prefix: string;
  delimiter: string;
  maxKeys: number;
  /** Whether names in the answer are percent-encoded: XML cannot hold all of them. */
  encoded: boolean;
}

type Names = (text: string) => string;

/** ListObjects, both versions. */
export function listObjects(call: S3Call): Promise<Response> {
  const type = call.query.get('list-type');
  if (type === null || type === '1') return listV1(call);
  if (type === '2') return listV2(call);
  throw new S3Error('InvalidArgument', 'list-type is 2, or left out for the first version');
}

async function listV1(call: S3Call): Promise<Response> {
  const asked = askedBy(call);
  const marker = parameter(call, 'marker');
  const page = await pageOf(call, asked, fromMarker(asked, marker));
  const names = namesFor(asked);
  const last = page.items.at(-1);
  const nextMarker = page.next !== null && asked.delimiter !== '' && last !== undefined ? decodeName(last.key) : null;
  return document(call, asked, page, [
    textElement('Marker', names(marker)),
    ...(nextMarker === null ? [] : [textElement('NextMarker', names(nextMarker))]),
  ]);
}

async function listV2(call: S3Call): Promise<Response> {
  const asked = askedBy(call);
  const after = parameter(call, 'start-after');
  const token = call.query.get('continuation-token');
  const from = token === null || token === '' ? fromMarker(asked, after) : fromToken(token);
  const page = await pageOf(call, asked, from);
  const names = namesFor(asked);
  return document(call, asked, page, [
    textElement('KeyCount', page.items.length),
    ...(token === null ? [] : [textElement('ContinuationToken', token)]),
    ...(page.next === null ? [] : [textElement('NextContinuationToken', toToken(page.next))]),
    ...(after === '' ? [] : [textElement('StartAfter', names(after))]),
  ]);
}

/** ListObjectVersions: each object has one version, "null". */
export async function listVersions(call: S3Call): Promise<Response> {
  const asked = askedBy(call);
  const marker = parameter(call, 'key-marker');
  const page = await pageOf(call, asked, fromMarker(asked, marker));
  const names = namesFor(asked);
  const last = page.items.at(-1);
  const items = await contents(call, page.items, names, 'Version', [
    textElement('VersionId', 'null'),
    textElement('IsLatest', true),
  ]);
  return xmlResponse(
    s3Document(
      'ListVersionsResult',
      [
        ...head(call, asked, page, names),
        textElement('KeyMarker', names(marker)),
        textElement('VersionIdMarker', ''),
        ...(page.next === null || last === undefined
          ? []
          : [textElement('NextKeyMarker', names(decodeName(last.key))), textElement('NextVersionIdMarker', 'null')]),
        ...items,
      ].join(''),
    ),
  );
}

async function pageOf(call: S3Call, asked: Asked, from: Uint8Array | null): Promise<KeyPage> {
  const bucket = await openBucket(call);
  if (from === null) return { items: [], next: null };
  const { maxKeys } = asked;
  const [prefix, delimiter] = [nameBytes(asked.prefix), nameBytes(asked.delimiter)];
  return listKeys(await keySource(call, bucket), { prefix, delimiter, from, maxKeys });
}

async function document(call: S3Call, asked: Asked, page: KeyPage, more: string[]): Promise<Response> {
  const names = namesFor(asked);
  const items = await contents(call, page.items, names, 'Contents', []);
  return xmlResponse(s3Document('ListBucketResult', [...head(call, asked, page, names), ...more, ...items].join('')));
}

function head(call: S3Call, { prefix, delimiter, maxKeys, encoded }: Asked, { next }: KeyPage, names: Names): string[] {
  return [
    textElement('Name', bucketName(call)),
    textElement('Prefix', names(prefix)),
    ...(delimiter === '' ? [] : [textElement('Delimiter', names(delimiter))]),
    textElement('MaxKeys', maxKeys),
    textElement('IsTruncated', next !== null),
    ...(encoded ? [textElement('EncodingType', 'url')] : []),
  ];
}

/** The objects of a page, then its common prefixes: old clients loop on elements that are there and empty. */
async function contents(
  call: S3Call,
  items: readonly Listed[],
  names: Names,
  name: 'Contents' | 'Version',
  more: string[],
): Promise<string[]> {
  const metadata = await metadataOf(call, items);
  // Only the second version leaves owners out.
  const owner = call.query.get('list-type') !== '2' || call.query.get('fetch-owner') === 'true' ? [ownerOf(call)] : [];
  const objects: string[] = [];
  const prefixes: string[] = [];
  for (const item of items) {
    if (item.kind === 'prefix') {
      prefixes.push(element('CommonPrefixes', textElement('Prefix', names(decodeName(item.key)))));
      continue;
    }
    const { tree, node, collection } = item;
    const stored = metadata.get(item);
    const isMarker = isDirectory(tree, node);
    const modified = stored?.modified ?? Date.parse(collection.modifiedAt);
    const fields = [
      textElement('Key', names(decodeName(item.key))),
      ...more,
      textElement('LastModified', new Date(modified).toISOString()),
      textElement('ETag', await etagOf(tree, node, stored)),
      textElement('Size', isMarker ? 0 : nodeSize(tree, node)),
      ...owner,
      textElement('StorageClass', 'STANDARD'),
    ];
    objects.push(element(name, fields.join('')));
  }
  return [...objects, ...prefixes];
}

function ownerOf({ client }: S3Call): string {
  return element('Owner', ownerFields(client));
}

/** What is kept beside the objects of a page: one read for each collection. */
async function metadataOf({ deps }: S3Call, items: readonly Listed[]): Promise<Map<Listed, FileMetadata>> {
  const found = new Map<Listed, FileMetadata>();
  const objects = items.filter((item) => item.kind === 'object');
  for (const [collection, members] of Map.groupBy(objects, (item) => item.collection)) {
    const pathOf = ({ path }: { path: Uint8Array }) => decodeName(path).replace(/\/$/, '');
    const stored = await deps.collections.metadata(collection, members.map(pathOf));
    for (const item of members) {
      const metadata = stored.get(pathOf(item));
      if (metadata !== undefined) found.set(item, metadata);
    }
  }
  return found;
}

function askedBy(call: S3Call): Asked {
  const encoding = call.query.get('encoding-type');
  if (encoding !== null && encoding !== '' && encoding.toLowerCase() !== 'url')
    throw new S3Error('InvalidArgument', 'encoding-type is url, or left out');
  return {
    prefix: parameter(call, 'prefix'),
    delimiter: parameter(call, 'delimiter'),
    maxKeys: countParameter(call.query, 'max-keys', MAX_KEYS),
    encoded: encoding?.toLowerCase() === 'url',
  };
}

/** @throws KeepError InvalidArgument for what is no count */
export function countParameter(query: URLSearchParams, name: string, most: number): number {
  const text = query.get(name);
  if (text === null || text === '') return most;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0x7fffffff)
    throw new S3Error('InvalidArgument', `${name} is a number from 0 to 2147483647`);
  return Math.min(Number(text), most);
}

/** A parameter as the name of a key: also bytes that are no UTF-8, which the platform's parser would replace. */
export function parameter({ context, query }: S3Call, name: string): string {
  const plain = query.get(name) ?? '';
  if (!plain.includes('\ufffd')) return plain;
  const [, search = ''] = context.request.url.split(/\?(.*)/s);
  const pair = search.split('&').find((text) => text.startsWith(`${name}=`)) ?? '';
  return decodeUriName(pair.slice(name.length + 1).replaceAll('+', ' '));
}

function fromMarker({ prefix, delimiter }: Asked, marker: string): Uint8Array | null {
  if (marker === '') return new Uint8Array();
  return startAfter(nameBytes(marker), { prefix: nameBytes(prefix), delimiter: nameBytes(delimiter) });
}

/** What XML cannot hold is only right when the client asked for it percent-encoded; slashes stay readable, as on Ceph. */
function namesFor({ encoded }: Asked): Names {
  return encoded ? (text) => encodeUriName(text).replaceAll('%2F', '/') : (text) => text;
}

function toToken(from: Uint8Array): string {
  return btoa(Array.from(from, (byte) => String.fromCharCode(byte)).join(''));
}

function fromToken(token: string): Uint8Array {
  try {
    return Uint8Array.from(atob(token), (char) => char.charCodeAt(0));
  } catch {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  }
}
