import type { RequestContext } from '../../http/context.ts';
import { askOrNull, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import type { Visitor } from './visitor.ts';

export const ANONYMOUS = 'anonymouspublic';
export const EVERYONE = '000000000000000';

/** `links` of a record that say who may see it; null where the visitor may not know. */
export async function permissionsOf(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { token }: Visitor,
  uuid: string,
): Promise<Json[] | null> {
  const answer = await askOrNull(context, deps, token, `permissions/${uuid}`, { query: { limit: 1000 } });
  return answer?.items ?? null;
}

/** Who may see a record, in one sentence. */
export async function audienceSentence(
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
  { uuid, owner_uuid, can_manage }: Json,
): Promise<string> {
  const isInProject = String(owner_uuid).slice(6, 11) === 'j7d0g';
  const above = isInProject ? ', and who may see the project that it is in' : '';
  if (!can_manage) return owner_uuid === visitor.user.uuid ? 'Yours.' : 'Shared with you.';
  const links = await permissionsOf(context, deps, visitor, uuid);
  if (links === null) return '';
  if (links.some(({ tail_uuid }) => tail_uuid.endsWith(ANONYMOUS)))
    return 'Public: everybody may read this, without an account.';
  if (links.some(({ tail_uuid }) => tail_uuid.endsWith(`j7d0g-f${EVERYONE.slice(1)}`)))
    return 'Everybody with an account here may see this.';
  if (links.length === 0) return `Only ${isInProject ? 'you' : 'its owner'}${above} may see this.`;
  return `Its owner, ${links.length === 1 ? 'one person or group' : `${links.length} people or groups`}${above} may see this.`;
}
