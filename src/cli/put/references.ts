import { bareLocator, hasLocalSignature, parseLocator } from '../../keep/locator.ts';
import { directoryAt, fileAt, type ManifestDirectory } from '../../keep/manifest/tree.ts';
import { ApiError, type Row } from '../api-client.ts';
import { loadCollection, locatorsIn } from '../collection.ts';
import type { Session } from '../session.ts';
import type { Checkpoint } from './checkpoint.ts';
import { renew } from './save.ts';
import type { Walk } from './walk.ts';

/** Takes a collection's locators; where ours of the same blocks end sooner, these replace them. */
export async function addReference(
  { api }: Session,
  id: string,
  { references, checkpoint }: { references: Map<string, string>; checkpoint: Checkpoint },
): Promise<{ record: Row; tree: ManifestDirectory }> {
  const { record, tree, manifest } = await loadCollection(api, id);
  locatorsIn(tree, (locator) => {
    if (hasLocalSignature(parseLocator(locator))) references.set(bareLocator(locator), locator);
  });
  await renew(checkpoint, manifest, Number.POSITIVE_INFINITY);
  return { record, tree };
}

/** Better told now than after a terabyte. @throws KeepError invalid_record when a file would be a directory too */
export function refuseClashes(tree: ManifestDirectory, { files, emptyDirectories }: Walk): void {
  for (const { path } of files) fileAt(tree, path);
  for (const path of emptyDirectories) directoryAt(tree, path);
}

/**
 * The collection that an earlier run saved on its way gives fresh signatures. It is forgotten when it is gone, and when
 * it was complete but for some files and somebody has changed it since.
 */
export async function renewFromLastTime({ api }: Session, checkpoint: Checkpoint, ttlSeconds: number): Promise<void> {
  const { collection } = checkpoint;
  if (collection === null) return;
  try {
    const record = await api(`arvados/v1/collections/${collection.uuid}`);
    await renew(checkpoint, String(record.manifest_text ?? ''), ttlSeconds);
    if ((collection.portableDataHash ?? record.portable_data_hash) !== record.portable_data_hash) checkpoint.finish();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    checkpoint.finish();
  }
}
