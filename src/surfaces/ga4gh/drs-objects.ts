import { md5 } from '@noble/hashes/legacy.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { fileEtag } from '../../collections/file-etag.ts';
import {
  blockHash,
  entriesOf,
  type FileTree,
  fileSegments,
  findNode,
  isDirectory,
  nodeName,
  nodeSize,
} from '../../collections/file-tree.ts';
import { contentType } from '../../files/content-type.ts';
import type { RequestContext } from '../../http/context.ts';
import { type DrsId, formatDrsId, portableName } from '../../keep/drs-id.ts';
import { KeepError } from '../../keep/errors.ts';
import { accessUrl, originOf } from './access-url.ts';
import type { Ga4ghDependencies } from './dependencies.ts';
import { findIndex, formatOf } from './genome-files.ts';
import type { Opened } from './open-file.ts';

/** The one way to fetch bytes that needs another request: its `access_id`. */
export const HTTPS = 'https';
/** Entries of a bundle in one answer. */
const MAX_CONTENTS = 20_000;
/** Characters of their ids, each of which stands in it twice and holds a path. */
const MAX_CONTENTS_CHARS = 4 * 1024 * 1024;
/** Directories in directories. */
const MAX_DEPTH = 200;
const EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
/**
 * Type of checksums of files that are more than one block: MD5 over the names and ranges of their blocks. It is the same
 * for the same blocks, and is not the MD5 of the bytes.
 */
const SEGMENTS = 'keep-segments-md5';

interface Checksum {
  type: string;
  checksum: string;
}

interface ContentsObject {
  name: string;
  id: string;
  drs_uri: string[];
  contents?: ContentsObject[];
}

/**
 * A file or a directory as a DRS object.
 * @param expand whether bundles in a bundle show their contents too
 * @param budget of all objects of one answer
 * @throws KeepError not_found; too_large for a bundle of too many entries
 */
export async function drsObject(
  context: RequestContext,
  deps: Ga4ghDependencies,
  opened: Opened,
  id: DrsId,
  expand: boolean,
  budget: ContentsBudget = contentsBudget(),
): Promise<Record<string, unknown>> {
  const { tree, collection } = opened;
  const node = findNode(tree, id.path);
  if (node === null || isDirectory(tree, node) !== id.isDirectory)
    throw new KeepError('not_found', { message: 'no such object, or none that this token may read' });
  const text = formatDrsId(id);
  const name = id.path.split('/').at(-1) ?? '';
  const common = {
    id: text,
    ...(name === '' ? {} : { name: portableName(name) }),
    self_uri: drsUri(context, text),
    size: nodeSize(tree, node),
    created_time: collection.createdAt ?? collection.modifiedAt,
    version: id.portableDataHash,
    aliases: collection.uuid === null ? [] : [collection.uuid],
  };
  if (id.isDirectory) {
    return {
      ...common,
      checksums: [await bundleChecksum(tree, node)],
      contents: contentsOf(context, tree, node, id, expand, budget),
    };
  }
  return {
    ...common,
    mime_type: contentType(name),
    checksums: [await fileChecksum(tree, node)],
    access_methods: await accessMethods(context, deps, opened, id, text),
  };
}

async function accessMethods(
  context: RequestContext,
  deps: Ga4ghDependencies,
  opened: Opened,
  { path }: DrsId,
  id: string,
): Promise<Record<string, unknown>[]> {
  const https = {
    type: 'https',
    access_id: HTTPS,
    cloud: 'cloudflare',
    available: true,
    ...(opened.isPublic ? { access_url: { url: await accessUrl(context, deps, opened, path) } } : {}),
  };
  const format = formatOf(path);
  if (format === null || findIndex(opened, path, format) === null) return [https];
  const datatype = format === 'BAM' || format === 'CRAM' ? 'reads' : 'variants';
  const url = `${originOf(context)}/ga4gh/htsget/v1/${datatype}/${id}`;
  return [https, { type: 'htsget', access_url: { url }, available: true }];
}

/** Never a guess: a block's name is the MD5 of a file that is exactly this block. */
async function fileChecksum(tree: FileTree, node: number): Promise<Checksum> {
  const size = nodeSize(tree, node);
  if (size === 0) return { type: 'md5', checksum: EMPTY_MD5 };
  const [first] = fileSegments(tree, node, { offset: 0, length: size });
  if (first !== undefined && first.length === size && first.blockSize === size)
    return { type: 'md5', checksum: blockHash(tree, first.block) };
  return { type: SEGMENTS, checksum: (await fileEtag(tree, node)).replaceAll('"', '') };
}

/** DRS: the hash of the sorted checksums of what is directly in the bundle. */
async function bundleChecksum(tree: FileTree, root: number): Promise<Checksum> {
  const budget = contentsBudget();
  const of = async (node: number, depth: number): Promise<Checksum> => {
    if (!isDirectory(tree, node)) return fileChecksum(tree, node);
    if (depth > MAX_DEPTH) throw tooLarge();
    const children: Checksum[] = [];
    for (const entry of entriesOf(tree, node)) {
      spend(budget, 0);
      children.push(await of(entry, depth + 1));
    }
    const text = children
      .map(({ checksum }) => checksum)
      .sort()
      .join('');
    const type = children.every((child) => child.type === 'md5') ? 'md5' : SEGMENTS;
    return { type, checksum: bytesToHex(md5(utf8ToBytes(text))) };
  };
  return of(root, 0);
}

function contentsOf(
  context: RequestContext,
  tree: FileTree,
  directory: number,
  { portableDataHash, path }: DrsId,
  expand: boolean,
  budget: ContentsBudget,
): ContentsObject[] {
  return Array.from(entriesOf(tree, directory), (node) => {
    const name = nodeName(tree, node);
    const isBundle = isDirectory(tree, node);
    const below = { portableDataHash, path: path === '' ? name : `${path}/${name}`, isDirectory: isBundle };
    const id = formatDrsId(below);
    spend(budget, id.length);
    const contents = isBundle && expand ? contentsOf(context, tree, node, below, expand, budget) : undefined;
    return { name, id, drs_uri: [drsUri(context, id)], ...(contents === undefined ? {} : { contents }) };
  });
}

/** What an answer may still show of what is in bundles. */
export interface ContentsBudget {
  entries: number;
  chars: number;
}

export function contentsBudget(): ContentsBudget {
  return { entries: MAX_CONTENTS, chars: MAX_CONTENTS_CHARS };
}

function spend(budget: ContentsBudget, chars: number): void {
  budget.chars -= chars;
  if (budget.entries-- <= 0 || budget.chars < 0) throw tooLarge();
}

function tooLarge(): KeepError {
  return new KeepError('too_large', {
    message: `a bundle of more than ${MAX_CONTENTS} entries, ${MAX_DEPTH} levels or ${MAX_CONTENTS_CHARS} characters of ids: ask for a directory in it, or for its files by their ids`,
  });
}

function drsUri({ url }: RequestContext, id: string): string {
  return `drs://${url.hostname}/${id}`;
}
