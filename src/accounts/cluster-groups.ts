import * as v from 'valibot';
import { KeepError } from '../keep/errors.ts';
import { askClusterApi, clusterApiFailed, clusterRecord } from '../services/cluster-api.ts';
import type { User } from './account.ts';

const TIMEOUT_MS = 20_000;
const Links = v.object({ items: v.array(v.looseObject({ head_uuid: v.string() })) });

/**
 * Of these groups of a cluster, the first that the user is a member of: a permission link leads from the user to the
 * group. Null for none. Members of members are not followed.
 * @throws KeepError bad_gateway
 */
export async function memberOfClusterGroup(
  apiUrl: string,
  token: string,
  { uuid }: User,
  groups: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  const filters = [
    ['link_class', '=', 'permission'],
    ['tail_uuid', '=', uuid],
    ['head_uuid', 'in', groups],
  ];
  const query = new URLSearchParams({ filters: JSON.stringify(filters), limit: '1', count: 'none' });
  const response = await askClusterApi(`${apiUrl}/arvados/v1/links?${query}`, token, TIMEOUT_MS, signal);
  if (!response.ok) {
    await response.body?.cancel();
    throw clusterApiFailed(response);
  }
  const links = v.safeParse(Links, await clusterRecord(response));
  if (!links.success) throw new KeepError('bad_gateway', { message: "the cluster's API server gave no list of links" });
  return groups.find((group) => links.output.items.some(({ head_uuid }) => head_uuid === group)) ?? null;
}
