import { covers, type Lock } from '../../collections/edit/locks.ts';
import { fileEtag } from '../../collections/file-etag.ts';
import { entriesOf, type FileTree, isDirectory, nodeName, nodeSize } from '../../collections/file-tree.ts';
import { contentType } from '../../files/content-type.ts';
import type { Writing } from '../../files/writing.ts';
import { KeepError } from '../../keep/errors.ts';
import { encodePath, stepsTo } from '../../keep/uri-paths.ts';
import { type Address, takesDetours } from './address.ts';
import type { KeepWebDependencies } from './dependencies.ts';
import { componentsOf } from './directory.ts';
import { limitedText } from './limited-text.ts';
import { davError, multistatus, parsePropfind, type Resource, type Wanted } from './propfind.ts';
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

/** OPTIONS of an existing path: class 2 means locks, which clients want before they write. */
export function davOptions({ writing }: KeepWebDependencies, address: Address): Response {
  const isWritable = writing !== null && isWritableAddress(address);
  const methods = isWritable ? [...READ_METHODS, ...WRITE_METHODS.filter((name) => name !== 'RMCOL')] : READ_METHODS;
  const headers = { DAV: isWritable ? '1, 2' : '1', 'MS-Author-Via': 'DAV', Allow: methods.join(', ') };
  return new Response(null, { status: 200, headers });
}

/** Whether an address is of a kind that can be written to: by UUID, with credentials. */
export function isWritableAddress(address: Address): boolean {
  return address.kind === 'id' && !address.anonymousOnly && !address.id.includes('+');
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
export async function propfind(
  request: Request,
  target: Target,
  address: Address,
  { writing }: KeepWebDependencies,
): Promise<Response> {
  const depth = (request.headers.get('Depth') ?? 'infinity').trim().toLowerCase();
  if (!['0', '1', 'infinity'].includes(depth))
    throw new KeepError('bad_request', { message: 'Depth: 0, 1 or infinity' });
  const wanted = parsePropfind(await limitedText(request));
  if (depth === 'infinity' && !isBounded(target)) {
    return new Response(davError('propfind-finite-depth'), { status: 403, headers: { 'Content-Type': XML_TYPE } });
  }
  const headers = { 'Content-Type': XML_TYPE, 'Cache-Control': 'private, no-cache' };
  const kept = await keptState(writing, target, address, depth as Depth, wanted);
  const resources = resourcesOf(target, depth, takesDetours(address), shownRoot(address), kept);
  return new Response(textStream(multistatus(resources, wanted), bytesOf(kept.properties)), { status: 207, headers });
}

type Depth = '0' | '1' | 'infinity';

/** What clients have set and locked, by path in the collection. */
interface KeptState {
  properties: Map<string, Record<string, string>>;
  /** Undefined where nothing can be locked. */
  locks: Lock[] | undefined;
}

const NOTHING_KEPT: KeptState = { properties: new Map(), locks: undefined };

/** Asked for only where the client wants it: each costs a request to where it is kept. */
async function keptState(
  writing: Writing | null,
  target: Target,
  address: Address,
  depth: Depth,
  wanted: Wanted,
): Promise<KeptState> {
  const uuid = target.kind === 'tree' ? target.collection.uuid : null;
  if (writing === null || uuid === null || target.kind !== 'tree' || !isWritableAddress(address)) return NOTHING_KEPT;
  const some = wanted.kind === 'some' ? wanted.properties : null;
  const wantsProperties = some === null || some.some(({ namespace }) => namespace !== 'DAV:');
  const wantsLocks = some === null || some.some(({ name }) => name === 'lockdiscovery');
  const [properties, locks] = await Promise.all([
    wantsProperties
      ? writing.propertiesOf(uuid, target.path.join('/'), depth)
      : new Map<string, Record<string, string>>(),
    wantsLocks ? writing.commits.locks(uuid) : [],
  ]);
  return { properties, locks };
}

/** What properties take while a listing is sent. */
function bytesOf(properties: KeptState['properties']): number {
  let bytes = 0;
  for (const [path, values] of properties) {
    bytes += 2 * path.length;
    for (const [name, value] of Object.entries(values)) bytes += 2 * (name.length + value.length);
  }
  return bytes;
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
    resources++;
    const below = isDirectory(tree, at) ? (tree.counts[at] ?? 0) : 0;
    if (resources + pending.length + below > MAX_INFINITE_RESOURCES || components > MAX_INFINITE_COMPONENTS)
      return false;
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
  kept: KeptState,
): AsyncIterable<Resource> | Iterable<Resource> {
  return target.kind === 'tree'
    ? treeResources(target, depth, detours, shown, kept)
    : virtualResources(target, depth, detours, shown);
}

function* treeResources(
  target: TreeTarget,
  depth: string,
  detours: boolean,
  shown: string | null,
  kept: KeptState,
): Generator<Resource> {
  const { tree, node, path, prefix } = target;
  const components = componentsOf(target);
  const modified = target.collection.uuid === null ? null : Date.parse(target.collection.modifiedAt);
  const stateAt = (at: string[]) => stateOf(kept, at.join('/'), prefix);
  const root = { ...treeResource(tree, node, components, modified), ...stateAt(path) };
  yield shown === null ? root : { ...root, name: shown };
  if (depth === '0' || !isDirectory(tree, node)) return;
  yield* resourcesBelow(tree, node, {
    components,
    path,
    modified,
    deep: depth === 'infinity',
    detours,
    stateAt,
  });
}

function stateOf(
  { properties, locks }: KeptState,
  path: string,
  prefix: string[],
): Pick<Resource, 'properties' | 'locks'> {
  return {
    properties: properties.get(path),
    locks: locks
      ?.filter((lock) => covers(lock, path))
      .map((lock) => ({
        ...lock,
        href: encodePath([...prefix, ...lock.path.split('/').filter((name) => name !== '')]),
      })),
  };
}

interface Below {
  /** Of the directory's URL. */
  components: string[];
  /** In the collection. */
  path: string[];
  stateAt: (path: string[]) => Pick<Resource, 'properties' | 'locks'>;
  modified: number | null;
  deep: boolean;
  detours: boolean;
}

function* resourcesBelow(tree: FileTree, directory: number, below: Below): Generator<Resource> {
  for (const entry of entriesOf(tree, directory)) {
    const components = [...below.components, ...stepsTo(nodeName(tree, entry), below.detours)];
    const path = [...below.path, nodeName(tree, entry)];
    yield { ...treeResource(tree, entry, components, below.modified), ...below.stateAt(path) };
    if (below.deep && isDirectory(tree, entry))
      yield* resourcesBelow(tree, entry, { ...below, components, path, detours: false });
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
