import { requireUser } from '../../accounts/access.ts';
import type { Commits } from '../../collections/commits.ts';
import { nothingReplaced, replacementEdits } from '../../collections/replace-files.ts';
import type { RequestContext } from '../../http/context.ts';
import { requestText } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import { answer } from './answer.ts';
import type { ClusterApi } from './call.ts';
import { parseShallowJson } from './parameters.ts';

/** 100,000 entries with short paths, or fewer. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/**
 * An update with `must_be_new`, which a cluster does not know: judged here, in turn with the writers here, a moment
 * before the cluster makes it.
 * @throws KeepError precondition_failed; bad_request for what else an update may hold
 */
export async function changeIfNew(
  uuid: string,
  tokens: readonly string[],
  { request, method, path, signal }: RequestContext,
  { authority }: ClusterApi,
  commits: Commits,
): Promise<Response> {
  const user = await requireUser(authority, { tokens, method: 'PATCH', path, signal });
  if (Number(request.headers.get('Content-Length') ?? Number.POSITIVE_INFINITY) > MAX_BODY_BYTES)
    throw new KeepError('too_large', { message: `${method} with must_be_new takes up to 8 MiB` });
  const { replace_files, collection = {}, ...others } = bodyOf(await requestText(request));
  if (Object.keys(collection as object).length > 0 || Object.keys(others).some((name) => name !== 'select'))
    throw new KeepError('bad_request', { message: 'beside a cluster must_be_new goes with replace_files alone' });
  const edits = replacementEdits(replace_files, null);
  const { portableDataHash } = await commits.edit(uuid, {
    writer: { user, tokenUuid: null, token: tokens[0] ?? '' },
    edits,
    conditions: nothingReplaced(edits),
    lockTokens: [],
  });
  return answer({ uuid, portable_data_hash: portableDataHash });
}

function bodyOf(text: string): Record<string, unknown> {
  try {
    return Object(parseShallowJson(text)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) throw new KeepError('bad_request', { message: 'the JSON cannot be read' });
    throw error;
  }
}
