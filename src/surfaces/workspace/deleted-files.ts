import type { RequestContext } from '../../http/context.ts';
import { ApiProblem, ask, askOrNull, change, type Json } from './api.ts';
import type { CallService, WorkspaceDependencies } from './dependencies.ts';
import { freeNames, namesIn } from './free-names.ts';
import type { Visitor } from './visitor.ts';

/**
 * Files that are deleted here go to the trash as a collection of their own, in which they are where they were: so they
 * come back where no past versions are kept, too. Its properties say which collection and directory that was; their names
 * are read from the copy, since a property has not the room for many.
 */
const FROM = 'keep_edge_deleted_from';
const DIRECTORY = 'keep_edge_deleted_directory';
/** Of copies whose files are back where they were. */
export const RESTORED = 'keep_edge_restored';
/** Times that a change is prepared anew when others change what it is about before it is made. */
const TRIES = 5;
/** A name has at most 255 bytes here, with room for what makes it unique. */
const MAX_NAME = 80;

/** Files and directories of one directory; '' is the collection itself. */
export interface Selection {
  directory: string;
  names: string[];
}

/** Where the deleted files that a trashed collection holds were; null for other collections. */
export function deletedFrom({ properties }: Json): { uuid: string; directory: string } | null {
  const uuid = properties?.[FROM];
  const directory = properties?.[DIRECTORY];
  if (typeof uuid !== 'string' || !/^[0-9a-z]{5}-4zz18-[0-9a-z]{15}$/.test(uuid) || typeof directory !== 'string')
    return null;
  return { uuid, directory };
}

/** No copy could be made: nothing is deleted. */
export class NoCopy extends ApiProblem {}

/**
 * Deletes files and directories of a collection.
 * @returns UUID of the copy in the trash; null when none was to be kept
 * @throws ApiProblem; NoCopy when a copy was wanted and none can be kept
 */
export async function deleteFiles(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  uuid: string,
  selection: Selection,
  keepCopy: boolean,
  tries = TRIES,
): Promise<string | null> {
  const { token } = visitor;
  const before = await ask(context, deps, token, `collections/${uuid}`, {
    query: { select: ['uuid', 'name', 'owner_uuid', 'portable_data_hash', 'can_write'] },
  });
  if (before.can_write === false) throw new ApiProblem(403, 'You may read this collection, but not change it.');
  const replace_files = Object.fromEntries(pathsOf(selection).map((path) => [`/${path}`, '']));
  const copy = keepCopy ? await keptCopy(context, deps, visitor, before, selection).catch(asNoCopy) : null;
  try {
    await change(context, deps, token, `collections/${uuid}`, {
      method: 'PATCH',
      // What is written to a file after its copy was made is in no copy.
      query: { select: ['uuid'], ...(copy === null ? {} : { unchanged_from: copy.portable_data_hash }) },
      body: { collection: {}, replace_files },
    });
  } catch (error) {
    // After other errors the files may be gone: then the copy is all there is.
    if (copy !== null && error instanceof ApiProblem && error.status < 500) {
      // The first error is the one to tell; a copy that stays in the list does no harm.
      const hidden = untrash(context, deps, token, copy.uuid).then(() => putAway(context, deps, token, copy.uuid, {}));
      await hidden.catch(() => null);
      if (error.status === 412 && tries > 1)
        return deleteFiles(context, deps, visitor, uuid, selection, true, tries - 1);
    }
    throw error;
  }
  return copy?.uuid ?? null;
}

function asNoCopy(error: unknown): never {
  if (!(error instanceof ApiProblem)) throw error;
  const isLong = error.status === 413;
  throw new NoCopy(error.status, isLong ? 'Their names are too long together: choose fewer at once.' : error.message);
}

/** In the trash of the collection's owner where the visitor may write there, so that others can bring it back too. */
async function keptCopy(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { token, user }: Visitor,
  { uuid, name, owner_uuid, portable_data_hash }: Json,
  selection: Selection,
): Promise<Json> {
  const { directory, names } = selection;
  const [first = ''] = names;
  const what = names.length === 1 ? first : `${first} and ${names.length - 1} more`;
  const collection = {
    name: `${shortened(what)}, deleted from ${shortened(String(name || uuid))}`,
    properties: { [FROM]: uuid, [DIRECTORY]: directory },
    trash_at: new Date(context.now * 1000).toISOString(),
  };
  const replace_files = copyingFrom(portable_data_hash, selection);
  const make = (owner: string) =>
    ask(context, deps, token, 'collections', {
      method: 'POST',
      query: { ensure_unique_name: true, select: ['uuid', 'portable_data_hash'] },
      body: { collection: { ...collection, owner_uuid: owner }, replace_files },
    });
  try {
    return await make(String(owner_uuid));
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status >= 500 || owner_uuid === user.uuid) throw error;
    return await make(user.uuid);
  }
}

/**
 * Puts deleted files back, under another name where theirs is taken meanwhile. The copy stays in the trash until its time.
 * @returns the collection that has them now: the copy itself when theirs is gone
 */
export async function restoreFiles(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
  { token }: Visitor,
  copy: Json,
): Promise<string> {
  const from = deletedFrom(copy);
  // Pressed twice.
  if (from !== null && copy.properties[RESTORED] === true) return from.uuid;
  const target =
    from === null
      ? null
      : await askOrNull(context, deps, token, `collections/${from.uuid}`, { query: { select: ['uuid', 'can_write'] } });
  const place = target === null || target.can_write === false ? null : from;
  await untrash(context, deps, token, copy.uuid);
  if (place === null) return copy.uuid;
  try {
    await putBack(context, deps, service, token, place, copy);
  } catch (error) {
    // The first error is the one to tell. From the trash one can try again.
    await intoTrash(context, deps, token, copy.uuid).catch(() => null);
    throw error;
  }
  // The files are back: a copy that stays in the list does no harm, and an error would have them brought back twice.
  await putAway(context, deps, token, copy.uuid, copy.properties).catch(() => null);
  return place.uuid;
}

/** In one change, which replaces nothing: a name that another writer takes after the look is looked for again. */
async function putBack(
  context: RequestContext,
  deps: WorkspaceDependencies,
  service: CallService,
  token: string,
  { uuid, directory }: { uuid: string; directory: string },
  copy: Json,
): Promise<void> {
  const names: string[] = [];
  for await (const name of namesIn(service, token, copy.uuid, directory)) names.push(name);
  if (names.length === 0) throw new ApiProblem(409, 'The deleted files cannot be listed: try again.');
  for (let tried = 1; ; tried++) {
    const free = await freeNames(service, token, uuid, directory, names);
    const allTaken = names.every((name) => free.get(name) !== name);
    if (allTaken && (await isBack(context, deps, token, uuid, { directory, names }, copy))) return;
    const pairs = names.map((name) => [inside(directory, free.get(name) ?? name), inside(directory, name)]);
    const replace_files = Object.fromEntries(
      pairs.map(([to, from]) => [`/${to}`, `${copy.portable_data_hash}/${from}`]),
    );
    try {
      await ask(context, deps, token, `collections/${uuid}`, {
        method: 'PATCH',
        query: { select: ['uuid'], must_be_new: true },
        body: { collection: {}, replace_files },
      });
      return;
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 412 || tried === TRIES) throw error;
    }
  }
}

/**
 * Whether the files are back already: the change was made, and its answer was lost. Two copies of the same files have the
 * same portable data hash; the one that is made here stays in the trash, and out of its list.
 */
async function isBack(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  uuid: string,
  selection: Selection,
  copy: Json,
): Promise<boolean> {
  const query = { select: ['portable_data_hash'] };
  const { portable_data_hash } = await ask(context, deps, token, `collections/${uuid}`, { query });
  const made = await askOrNull(context, deps, token, 'collections', {
    method: 'POST',
    query,
    body: {
      collection: { properties: { [RESTORED]: true }, trash_at: new Date(context.now * 1000).toISOString() },
      replace_files: copyingFrom(portable_data_hash, selection),
    },
  });
  return made?.portable_data_hash === copy.portable_data_hash;
}

function untrash(context: RequestContext, deps: WorkspaceDependencies, token: string, uuid: string): Promise<void> {
  return change(context, deps, token, `collections/${uuid}/untrash`, {
    method: 'POST',
    query: { ensure_unique_name: true },
    body: {},
  });
}

/** Back into the trash, but not for its list any more. The copy is out of the trash: others cannot be changed. */
async function putAway(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  uuid: string,
  before: Json,
): Promise<void> {
  const properties = { ...before, [RESTORED]: true };
  await change(context, deps, token, `collections/${uuid}`, { method: 'PATCH', body: { collection: { properties } } });
  await intoTrash(context, deps, token, uuid);
}

function intoTrash(context: RequestContext, deps: WorkspaceDependencies, token: string, uuid: string): Promise<void> {
  return change(context, deps, token, `collections/${uuid}/trash`, { method: 'POST', body: {} });
}

/** To where they are in that content. */
function copyingFrom(portableDataHash: string, selection: Selection): Record<string, string> {
  return Object.fromEntries(pathsOf(selection).map((path) => [`/${path}`, `${portableDataHash}/${path}`]));
}

/** Paths in the collection. */
export function pathsOf({ directory, names }: Selection): string[] {
  return names.map((name) => inside(directory, name));
}

function inside(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

function shortened(text: string): string {
  const chars = [...text.toWellFormed()];
  return chars.length <= MAX_NAME ? chars.join('') : `${chars.slice(0, MAX_NAME - 1).join('')}…`;
}
