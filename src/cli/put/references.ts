import { bareLocator, hasLocalSignature, parseLocator } from '../../keep/locator.ts';
import { directoryAt, emptyDirectory, fileAt } from '../../keep/manifest/tree.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';
import { loadManifest, locatorsIn } from '../collection.ts';
import { type ListedDirectory, listedAt } from '../listing.ts';
import type { ClusterFacts, Session } from '../session.ts';
import { note, showName } from '../terminal.ts';
import type { Checkpoint } from './checkpoint.ts';
import { renew } from './save.ts';
import type { SourceFile, Walk } from './walk.ts';

/** Takes a collection's locators; where our signatures of the same blocks expire sooner, these replace them. */
export async function addReference(
  { api }: Session,
  id: string,
  { references, checkpoint }: { references: Map<string, string>; checkpoint: Checkpoint },
): Promise<{ record: Row; manifest: string }> {
  const { record, manifest } = await loadManifest(api, id);
  locatorsIn(manifest, (locator) => {
    if (hasLocalSignature(parseLocator(locator))) references.set(bareLocator(locator), locator);
  });
  renew(checkpoint, manifest, Number.POSITIVE_INFINITY);
  return { record, manifest };
}

const OWNER_KINDS: Record<string, string> = { j7d0g: 'groups', tpzed: 'users' };

/** Whether a new collection may go there: checked before a terabyte is sent. @throws CliError */
export async function checkOwner(api: Api, uuid: string): Promise<void> {
  const kind = OWNER_KINDS[/^[a-z0-9]{5}-([a-z0-9]{5})-[a-z0-9]{15}$/.exec(uuid)?.[1] ?? ''];
  if (kind === undefined)
    throw usageError('--project-uuid takes the UUID of a project (xxxxx-j7d0g-...) or of a user.');
  const owner = await api(`arvados/v1/${kind}/${uuid}`).catch((error: unknown): Row => {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) throw new CliError(`There is no project ${uuid}, or you may not see it.`);
    // An upload-only token may not read groups.
    if (error.status === 403) return {};
    throw error;
  });
  if (owner.can_write === false) throw new CliError(`You may read the project ${uuid}, but not add to it.`);
}

/** Checked before anything is sent. @throws CliError, KeepError when a file would be a directory too */
export function refuseClashes(target: ListedDirectory | null, { files, emptyDirectories }: Walk): void {
  const own = emptyDirectory();
  for (const { path } of files) fileAt(own, path);
  for (const path of emptyDirectories) directoryAt(own, path);
  if (target === null) return;
  const clashes = ({ path }: { path: string }, isFile: boolean) => {
    const names = path.split('/');
    let at: ListedDirectory | number | undefined = target;
    for (const name of names) {
      if (typeof at === 'number') return true;
      at = at?.entries.get(name);
    }
    return at !== undefined && (typeof at === 'number') !== isFile;
  };
  const clash =
    files.find((file) => clashes(file, true)) ??
    emptyDirectories.map((path) => ({ path })).find((directory) => clashes(directory, false));
  if (clash !== undefined) throw new CliError(`${showName(clash.path)} would be a file and a directory at once.`);
}

/** The files that a collection does not have, or has with another size. */
export function missingFiles(files: readonly SourceFile[], target: ListedDirectory): SourceFile[] {
  return files.filter(({ path, size }) => listedAt(target, path) !== size);
}

/**
 * The collection that an earlier run saved on its way gives fresh signatures. It is dropped when it is gone, and when
 * the last run completed it except for some files and it has been changed since.
 */
export async function renewFromLastTime({ api }: Session, checkpoint: Checkpoint, ttlSeconds: number): Promise<void> {
  const { collection } = checkpoint;
  if (collection === null) return;
  try {
    const record = await api(`arvados/v1/collections/${collection.uuid}`);
    renew(checkpoint, String(record.manifest_text ?? ''), ttlSeconds);
    if ((collection.portableDataHash ?? record.portable_data_hash) !== record.portable_data_hash)
      checkpoint.finish(null);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    checkpoint.finish(null);
  }
}

/** Says that an earlier run has completed a collection of these paths: without a word, a repeat makes another one. */
export async function warnOfRepeat({ api }: Session, { collection, completed }: Checkpoint): Promise<void> {
  if (completed === null || collection !== null) return;
  const query = { select: ['uuid', 'name'] };
  const record = await api(`arvados/v1/collections/${completed}`, { query, patient: false }).catch((error: unknown) => {
    if (!(error instanceof ApiError)) throw error;
    return error.status === 404 ? null : ({} as Row);
  });
  if (record === null) return;
  const name = record.name === undefined ? '' : ` (${showName(String(record.name))})`;
  note(
    `An earlier run of this command has made the collection ${completed}${name}. This run makes a second one; --update ${completed} changes the first.`,
  );
}

/** @throws CliError for storage classes that the cluster does not have, as far as it tells */
export function checkClasses(asked: readonly string[], { classes }: Pick<ClusterFacts, 'classes'>): void {
  const unknown = classes.length === 0 ? [] : asked.filter((name) => !classes.includes(name));
  if (unknown.length === 0) return;
  const named = unknown.map(showName).join(', ');
  throw new CliError(
    `The cluster has no storage class ${named}. It has: ${classes.map(showName).join(', ')} (--storage-classes).`,
  );
}
