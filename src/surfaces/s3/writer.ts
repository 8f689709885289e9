import type { User } from '../../accounts/account.ts';
import { scopesAllow } from '../../accounts/scopes.ts';
import type { Writer } from '../../collections/edit/edits.ts';
import type { Uploads } from '../../collections/uploads/uploads.ts';
import type { Writing } from '../../files/writing.ts';
import type { S3Call, S3Client } from './call.ts';
import { S3Error } from './errors.ts';

/** What changes files; refused where collections are not kept here. */
export function writingOf({ deps }: S3Call): Writing {
  if (deps.writing !== null) return deps.writing;
  throw new S3Error('NotImplemented', 'files are changed through the cluster that keeps the collections');
}

/** Uploads in parts. */
export function uploadsOf(call: S3Call): Uploads {
  return writingOf(call).uploads;
}

/** Who changes files: a user, never the public. */
export function writerOf({ client }: S3Call): Writer & { user: User } {
  if (client.user === null) throw new S3Error('AccessDenied', 'only users change files: sign the request');
  return { user: client.user, tokenUuid: client.account.tokenUuid, token: client.token };
}

/** @throws S3Error AccessDenied where the token's scopes do not allow the request of the API that does the same */
export function requireScope({ account }: S3Client, method: string, path: string): void {
  if (!scopesAllow(account.scopes, method, path))
    throw new S3Error('AccessDenied', `the token's scopes do not allow ${method} ${path}`);
}
