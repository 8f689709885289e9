import { KeepError } from '../../keep/errors.ts';
import type { EditOutcome } from '../edit/commit-batch.ts';
import type { EditRequest } from '../edit/edits.ts';
import { objectEtagOfRanges } from '../object-etag.ts';
import { assemble } from './assemble.ts';
import type { PartRows } from './part-rows.ts';
import type { CompletedUpload, CompleteRequest, FoundUpload } from './upload.ts';

export interface CompleteContext {
  find(id: string): Promise<FoundUpload | null>;
  /** Only who began an upload, or an admin, completes it. */
  isOwnersOnly: boolean;
  /** Whether what is kept of a file beside its content, its ETag above all, is committed with it. */
  keepsMetadata: boolean;
  /** Writes down what the upload came to, where the commit itself does not. */
  completed?(id: string, result: string): void;
  /** Unix milliseconds. */
  now: () => number;
  /** Commits one request, now. */
  edit(request: EditRequest): Promise<EditOutcome | undefined>;
}

/**
 * Makes the parts of an upload one file, in the collection's turn. That it is complete is written with the same
 * transaction as the file: who asks again because the answer was lost gets it then. Beside a cluster it is written after
 * the file: at worst the same file is put once more.
 * @throws KeepError not_found, invalid_list, body_mismatch, too_large; what a condition says; forbidden
 */
export async function completeUpload(
  request: CompleteRequest,
  rows: PartRows,
  { find, isOwnersOnly, keepsMetadata, completed, now, edit }: CompleteContext,
): Promise<CompletedUpload> {
  const { id, path, writer, conditions } = request;
  const found = await find(id);
  if (found === null || found.upload.path !== path)
    throw new KeepError('not_found', { message: 'The specified upload does not exist' });
  if (isOwnersOnly && found.upload.userUuid !== writer.user.uuid && !writer.user.isAdmin)
    throw new KeepError('forbidden', { message: 'only who began an upload goes on with it' });
  const named = JSON.stringify(request.parts.map(({ number, etag }) => [number, etag]));
  if (found.completed !== null) {
    const { parts, ...result } = found.completed;
    if (parts === (await digestOf(named))) return result;
    throw new KeepError('not_found', { message: 'The upload is complete already, with other parts' });
  }
  const { metadata, checksum } = found.upload;
  const { ranges, ...assembled } = await assemble(request, rows, checksum);
  const result = keepsMetadata ? assembled : { ...assembled, etag: objectEtagOfRanges(ranges) };
  const outcomeText = JSON.stringify({ ...result, parts: await digestOf(named) });
  const kept = result.checksum === null ? {} : { checksum: result.checksum };
  const outcome = await edit({
    writer,
    edits: [{ kind: 'put', path, ranges, metadata: { ...metadata, ...kept, modified: now(), etag: result.etag } }],
    conditions,
    lockTokens: [],
    completes: { upload: id, result: outcomeText },
  });
  if (outcome === undefined) throw new KeepError('internal');
  if (!outcome.ok) throw new KeepError(outcome.code, { message: outcome.message });
  completed?.(id, outcomeText);
  rows.drop([id]);
  return result;
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
