import type { RequestContext } from '../../http/context.ts';
import { askAll, askOrNull, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import { inOrder, RECORD_FIELDS } from './records-table.ts';
import type { Visitor } from './visitor.ts';

/** The lists of the start page, by their name in addresses. */
export const LISTS = {
  mine: 'My collections and projects',
  shared: 'Shared with me',
  public: 'Public',
} as const;
export type ListName = keyof typeof LISTS;

/** Records of one list, in natural order. Empty where the visitor, or the cluster, has no such list. */
export async function recordsOf(
  list: ListName,
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor | null,
  most: number,
): Promise<Json[]> {
  const token = list === 'public' ? deps.settings.anonymousToken : (visitor?.token ?? null);
  if (token === null) return [];
  const query = { select: RECORD_FIELDS, filters: [['uuid', 'is_a', ['arvados#group', 'arvados#collection']]] };
  const [path, more] =
    list === 'mine'
      ? [`groups/${visitor?.user.uuid}/contents`, {}]
      : ['groups/contents', { exclude_home_project: true }];
  return inOrder(await askAll(context, deps, token, path, { ...query, ...more }, most));
}

/** The collections that changed last, of all that the visitor may read. */
export async function recentRecords(
  context: RequestContext,
  deps: WorkspaceDependencies,
  { token }: Visitor,
  count: number,
): Promise<Json[]> {
  const query = { select: RECORD_FIELDS, order: ['modified_at desc'], limit: count, count: 'none' };
  const answer = await askOrNull(context, deps, token, 'collections', { query });
  return answer?.items ?? [];
}

/** Names of the owners of these records, as far as the visitor may know them. */
export async function ownerNames(
  records: readonly Json[],
  context: RequestContext,
  deps: WorkspaceDependencies,
  visitor: Visitor,
): Promise<Map<string, string>> {
  const owners = [...new Set(records.map(({ owner_uuid }) => String(owner_uuid)))].slice(0, 90);
  const names = new Map<string, string>([[visitor.user.uuid, 'me']]);
  const of = (infix: string) => owners.filter((uuid) => uuid.slice(6, 11) === infix && !names.has(uuid));
  const look = async (path: string, uuids: string[], select: string[]) => {
    if (uuids.length === 0) return [];
    const query = { filters: [['uuid', 'in', uuids]], select, limit: uuids.length, count: 'none' };
    return (await askOrNull(context, deps, visitor.token, path, { query }))?.items ?? [];
  };
  const [users, groups] = await Promise.all([
    look('users', of('tpzed'), ['uuid', 'username', 'full_name', 'first_name', 'last_name']),
    look('groups', of('j7d0g'), ['uuid', 'name']),
  ]);
  for (const user of users) names.set(user.uuid, user.full_name || user.username || user.uuid);
  for (const group of groups) names.set(group.uuid, group.name || group.uuid);
  return names;
}
