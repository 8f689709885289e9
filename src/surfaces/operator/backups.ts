import type { Backups } from '../../backups/backups.ts';
import { KeepError } from '../../keep/errors.ts';

/** `GET backup` tells, `POST backup` writes a part of a snapshot of all accounts: repeat it until `done`. */
export async function backup(method: string, backups: Backups | null): Promise<Response> {
  const own = required(backups);
  if (method === 'POST') return Response.json({ done: !(await own.snapshot()) });
  const { snapshot, changes, pending, restoring, collectionsComplete } = await own.status();
  return Response.json({
    snapshot,
    changes_since: changes,
    pending,
    restoring,
    collections_complete: collectionsComplete,
  });
}

/** `POST restore`: one step of rebuilding an empty database; repeat it until `phase` is `done`. `POST restore/UUID`: a deleted collection. */
export async function restore(uuid: string, backups: Backups | null): Promise<Response> {
  const own = required(backups);
  if (uuid !== '') {
    if (!/^[0-9a-z]{5}-4zz18-[0-9a-z]{15}$/.test(uuid))
      throw new KeepError('bad_request', { message: 'name the UUID of a collection' });
    return Response.json({ uuid, ...(await own.restoreCollection(uuid)) });
  }
  const { phase, moment, counts, problems, unproven } = await own.restore();
  return Response.json({ phase, moment, counts, problems, unproven });
}

function required(backups: Backups | null): Backups {
  if (backups === null)
    throw new KeepError('not_found', {
      message: 'accounts and collections are kept by the cluster: so are their backups',
    });
  return backups;
}
