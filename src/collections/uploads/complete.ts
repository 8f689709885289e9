import { KeepError } from '../../keep/errors.ts';
import type { EditOutcome } from '../edit/commit-batch.ts';
import type { EditRequest } from '../edit/edits.ts';
import { assemble } from './assemble.ts';
import type { PartRows } from './part-rows.ts';
import type { CompletedUpload, CompleteRequest } from './upload.ts';
import { findUpload } from './upload-rows.ts';

export interface CompleteContext {
  db: D1Database | undefined;
  /** Unix milliseconds. */
  now: () => number;
  /** Commits one request, now. */
  edit(request: EditRequest): Promise<EditOutcome | undefined>;
}

/**
 * Makes the parts of an upload one file, in the collection's turn. That it is complete is written with the same
 * transaction as the file: who asks again because the answer was lost gets it then.
 * @throws KeepError not_found, invalid_list, body_mismatch, too_large; what a condition says; forbidden
 */
export async function completeUpload(
  uuid: string,
  request: CompleteRequest,
  rows: PartRows,
  { db, now, edit }: CompleteContext,
): Promise<CompletedUpload> {
  const { id, path, writer, conditions } = request;
  if (db === undefined) throw new KeepError('not_configured');
  const found = await findUpload(db, uuid, id);
  if (found === null || found.upload.path !== path)
    throw new KeepError('not_found', { message: 'The specified upload does not exist' });
  const named = JSON.stringify(request.parts.map(({ number, etag }) => [number, etag]));
  if (found.completed !== null) {
    const { parts, ...result } = found.completed;
    if (parts === (await digestOf(named))) return result;
    throw new KeepError('not_found', { message: 'The upload is complete already, with other parts' });
  }
  const { metadata, checksum } = found.upload;
  const { ranges, ...result } = await assemble(request, rows, checksum);
  const kept = result.checksum === null ? {} : { checksum: result.checksum };
  const outcome = await edit({
    writer,
    edits: [{ kind: 'put', path, ranges, metadata: { ...metadata, ...kept, modified: now(), etag: result.etag } }],
    conditions,
    lockTokens: [],
    completes: { upload: id, result: JSON.stringify({ ...result, parts: await digestOf(named) }) },
  });
  if (outcome === undefined) throw new KeepError('internal');
  if (!outcome.ok) throw new KeepError(outcome.code, { message: outcome.message });
  rows.drop([id]);
  return result;
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
