import { fileEtag } from '../../collections/file-etag.ts';
import { entriesOf, type FileTree, isDirectory, nodeName, nodeSize } from '../../collections/file-tree.ts';
import { requestChunks } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import { type Address, encodePath, stepsTo, takesDetours } from './address.ts';
import { contentType } from './content-type.ts';
import { componentsOf } from './directory.ts';
import { davError, MAX_PROPFIND_BYTES, multistatus, parsePropfind, type Resource } from './propfind.ts';
import type { Target, TreeTarget, VirtualTarget } from './target.ts';
import { textStream } from './text-stream.ts';

/** Methods that are answered, and those of WebDAV that are refused. */
export const READ_METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PROPFIND'];
export const WRITE_METHODS = ['PUT', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'LOCK', 'UNLOCK', 'PROPPATCH', 'RMCOL'];

/** Resources that one PROPFIND of infinite depth may list. */
export const MAX_INFINITE_RESOURCES = 20_000;
/** Components of all their paths together: deep trees have long ones. */
const MAX_INFINITE_COMPONENTS = 1_000_000;
const XML_TYPE = 'application/xml; charset=utf-8';

/** OPTIONS of an existing path: class 1, because nothing can be locked or written. */
export function davOptions(): Response {
  const headers = { DAV: '1', 'MS-Author-Via': 'DAV', Allow: READ_METHODS.join(', ') };
  return new Response(null, { status: 200, headers });
}

/** A method that would change something. */
export function readOnly(): Response {
  return new Response('read-only filesystem\n', {
    status: 405,
    headers: { Allow: READ_METHODS.join(', '), 'Content-Type': 'text/plain; charset=utf-8' },
  });
}

/**
 * Answers PROPFIND (RFC 4918 9.1). No Depth means infinity, which is bounded.
 * @throws KeepError bad_request, too_large
 */
export async function propfind(request: Request, target: Target, address: Address): Promise<Response> {
  const depth = (request.headers.get('Depth') ?? 'infinity').trim().toLowerCase();
  if (!['0', '1', 'infinity'].includes(depth))
    throw new KeepError('bad_request', { message: 'Depth: 0, 1 or infinity' });
  if (Number(request.headers.get('Content-Length') ?? 0) > MAX_PROPFIND_BYTES) throw tooLarge();
  const body = await limitedText(request);
  const wanted = parsePropfind(body);
  if (depth === 'infinity' && !isBounded(target)) {
    return new Response(davError('propfind-finite-depth'), { status: 403, headers: { 'Content-Type': XML_TYPE } });
  }
  const headers = { 'Content-Type': XML_TYPE, 'Cache-Control': 'private, no-cache' };
  const resources = resourcesOf(target, depth, takesDetours(address), shownRoot(address));
  return new Response(textStream(multistatus(resources, wanted)), { status: 207, headers });
}

/** The body, which may come without a length. */
async function limitedText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of requestChunks(request)) {
    bytes += chunk.byteLength;
    if (bytes > MAX_PROPFIND_BYTES) throw tooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge(): KeepError {
  return new KeepError('too_large', { message: `a PROPFIND body may have at most ${MAX_PROPFIND_BYTES} bytes` });
}

/** Whether a listing of infinite depth stays within the limits. */
function isBounded(target: Target): boolean {
  if (target.kind === 'virtual') return false;
  const { tree, node } = target;
  const pending = [{ at: node, depth: 1 }];
  let [resources, components] = [0, 0];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { at, depth } = next;
    components += depth;
    if (++resources > MAX_INFINITE_RESOURCES || components > MAX_INFINITE_COMPONENTS) return false;
    if (isDirectory(tree, at) && (tree.counts[at] ?? 0) > MAX_INFINITE_RESOURCES) return false;
    if (isDirectory(tree, at)) for (const entry of entriesOf(tree, at)) pending.push({ at: entry, depth: depth + 1 });
  }
  return true;
}

/** The display name of an address that ends with a token, which clients show and store; null for every other one. */
function shownRoot(address: Address): string | null {
  return address.kind === 'id' && address.pathToken !== null && address.path.length === 0 ? `c=${address.id}` : null;
}

/**
 * @param detours whether the target is a root that takes them; what is below its entries does not
 * @param shown instead of the last component as the target's display name
 */
function resourcesOf(
  target: Target,
  depth: string,
  detours: boolean,
  shown: string | null,
): AsyncIterable<Resource> | Iterable<Resource> {
  return target.kind === 'tree'
    ? treeResources(target, depth, detours, shown)
    : virtualResources(target, depth, detours, shown);
}

function* treeResources(
  target: TreeTarget,
  depth: string,
  detours: boolean,
  shown: string | null,
): Generator<Resource> {
  const { tree, node } = target;
  const components = componentsOf(target);
  const modified = target.collection.uuid === null ? null : Date.parse(target.collection.modifiedAt);
  const root = treeResource(tree, node, components, modified);
  yield shown === null ? root : { ...root, name: shown };
  if (depth === '0' || !isDirectory(tree, node)) return;
  yield* resourcesBelow(tree, node, { components, modified, deep: depth === 'infinity', detours });
}

interface Below {
  /** Of the directory's URL. */
  components: string[];
  modified: number | null;
  deep: boolean;
  detours: boolean;
}

function* resourcesBelow(tree: FileTree, directory: number, below: Below): Generator<Resource> {
  for (const entry of entriesOf(tree, directory)) {
    const components = [...below.components, ...stepsTo(nodeName(tree, entry), below.detours)];
    yield treeResource(tree, entry, components, below.modified);
    if (below.deep && isDirectory(tree, entry))
      yield* resourcesBelow(tree, entry, { ...below, components, detours: false });
  }
}

function treeResource(tree: FileTree, node: number, components: string[], modified: number | null): Resource {
  const directory = isDirectory(tree, node);
  const name = components.at(-1) ?? '';
  return {
    href: encodePath(components, directory),
    name,
    kind: directory ? 'directory' : 'file',
    modified,
    size: nodeSize(tree, node),
    type: contentType(name),
    etag: () => fileEtag(tree, node),
  };
}

async function* virtualResources(
  target: VirtualTarget,
  depth: string,
  detours: boolean,
  shown: string | null,
): AsyncGenerator<Resource> {
  const components = componentsOf(target);
  const root = directoryResource(components, null);
  yield shown === null ? root : { ...root, name: shown };
  if (depth === '0') return;
  for await (const { name, modifiedAt } of target.entries()) {
    yield directoryResource(
      [...components, ...stepsTo(name, detours)],
      modifiedAt === undefined ? null : Date.parse(modifiedAt),
    );
  }
}

function directoryResource(components: string[], modified: number | null): Resource {
  const name = components.at(-1) ?? '';
  return {
    href: encodePath(components, true),
    name,
    kind: 'directory',
    modified,
    size: 0,
    type: '',
    etag: () => '',
  };
}
