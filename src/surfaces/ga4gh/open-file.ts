import { type FileTree, findNode, isDirectory, nodeSize } from '../../collections/file-tree.ts';
import type { OpenCollection } from '../../collections/source.ts';
import { blockOpener } from '../../files/block-opener.ts';
import { mayDownload } from '../../files/download-permission.ts';
import { fileParts } from '../../files/file-parts.ts';
import { openerOf } from '../../files/open-cache.ts';
import type { RangedFile } from '../../genomics/ranged-file.ts';
import type { RequestContext } from '../../http/context.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { joinBytes } from '../../streams/join-bytes.ts';
import { segmentReader } from '../../streams/segment-reader.ts';
import type { Ga4ghDependencies } from './dependencies.ts';

/** A collection that one of the request's tokens opens. */
export interface Opened {
  collection: OpenCollection;
  tree: FileTree;
  token: string;
  /** It was opened without a token of the client. */
  isPublic: boolean;
}

/**
 * Opens a collection with the request's tokens in turn, then as the public.
 * @param id UUID or portable data hash
 * @throws KeepError no_token or unauthorized when no token was good; not_found
 */
export async function openCollection(context: RequestContext, deps: Ga4ghDependencies, id: string): Promise<Opened> {
  const { anonymousToken } = deps.settings;
  const tokens = context.tokens.filter((token) => token !== '');
  let hadGoodToken = false;
  for (const [i, token] of [...tokens, ...(anonymousToken === null ? [] : [anonymousToken])].entries()) {
    try {
      const collection = await openerOf(deps).open(id, token, false, context.signal);
      hadGoodToken ||= i < tokens.length;
      if (collection !== null) {
        const tree = await deps.trees.treeOf(collection, token);
        return { collection, tree, token, isPublic: i >= tokens.length };
      }
    } catch (error) {
      if (!isKeepError(error, 'unauthorized') && !isKeepError(error, 'no_token')) throw error;
    }
  }
  if (hadGoodToken) throw new KeepError('not_found', { message: 'no such object, or none that this token may read' });
  if (tokens.length > 0) throw new KeepError('unauthorized', { message: 'the token is unknown, revoked or expired' });
  throw new KeepError('no_token', { message: 'no such public object: send a token as a Bearer token' });
}

/** The file at a path of an open collection, or null. */
export function fileAt({ tree }: Opened, path: string): number | null {
  const node = path === '' ? null : findNode(tree, path);
  return node === null || isDirectory(tree, node) ? null : node;
}

/** @throws KeepError forbidden where WEBDAV_PERMISSION keeps content from the reader */
export async function requireDownload(deps: Ga4ghDependencies, { token }: Opened): Promise<void> {
  if (await mayDownload(deps, () => deps.downloader(token))) return;
  throw new KeepError('forbidden', { message: 'downloads are not permitted' });
}

/** A file of an open collection, to be read in ranges by this service itself. */
export function rangedFile(context: RequestContext, deps: Ga4ghDependencies, opened: Opened, node: number): RangedFile {
  const { tree } = opened;
  const open = blockOpener(context, deps, opened);
  return {
    size: nodeSize(tree, node),
    async read(offset, length) {
      const chunks: Uint8Array[] = [];
      for (const part of fileParts(tree, node, { offset, length }, open)) {
        const body = await part.open(context.signal);
        chunks.push(body instanceof Uint8Array ? body : await segmentReader(body, part.length).take(part.length));
      }
      return joinBytes(chunks, length);
    },
  };
}
