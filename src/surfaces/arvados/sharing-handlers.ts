import * as v from 'valibot';
import { audienceOf } from '../../accounts/audience.ts';
import { requireAtLeast } from '../../accounts/levels.ts';
import { levelOf } from '../../accounts/permissions.ts';
import { SHARING_LINKS } from '../../accounts/sharing-links.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { answer, listOf } from './answer.ts';
import { logChange, tellShare } from './audit.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { parseRecord } from './record-body.ts';

const SharingLinkBody = v.object({
  collection_uuid: v.string('name a collection by its UUID'),
  name: v.optional(v.pipe(v.string(), v.maxLength(255, 'value too long'))),
  expires_at: v.optional(v.nullable(v.string())),
});

/** POST sharing_links: a token that opens one collection, and the address with it, in one call. Both are shown once. */
export async function createSharingLink(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { record } = await readBody(call);
  const { api_token, ...link } = await api.sharingLinks.create(parseRecord(SharingLinkBody, record), call.account);
  logChange(call, api, 'share', String(link.collection_uuid), { sharing_link_uuid: link.uuid });
  tellShare(call, api, String(link.collection_uuid));
  const base = api.facts.downloadUrl ?? call.context.url.origin;
  return answer({ ...link, href: `${base}/c=${link.collection_uuid}/t=${api_token}/` });
}

export async function listSharingLinks(call: ApiCall, { sharingLinks }: EmbeddedApi): Promise<Response> {
  return answer(listOf(SHARING_LINKS.kind, await sharingLinks.list(call.parameters, call.user)));
}

export async function getSharingLink(call: ApiCall, { sharingLinks }: EmbeddedApi): Promise<Response> {
  return answer(await sharingLinks.get(pathPart(call), call.user));
}

export async function deleteSharingLink(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const link = await api.sharingLinks.delete(pathPart(call), call.user);
  api.authority.forget();
  logChange(call, api, 'unshare', String(link.collection_uuid), { sharing_link_uuid: link.uuid });
  return answer(link);
}

/** GET audience/{uuid}: how many people would see what is shared with this user or role. */
export async function getAudience(call: ApiCall, { db }: EmbeddedApi): Promise<Response> {
  const uuid = pathPart(call);
  requireAtLeast(await levelOf(db, call.user, uuid), 'read');
  const audience: Row = { kind: 'arvados#keepEdgeAudience', uuid, ...(await audienceOf(db, uuid)) };
  return answer(audience);
}

/** POST users/{uuid}/transfer: one step of handing over what a user owns. `remaining` says whether to ask again. */
export async function transferUser(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { parameters, record } = await readBody(call);
  if (!call.user.isAdmin) throw new KeepError('forbidden', { message: 'Forbidden: only an admin may do this' });
  const to = parameters.to ?? record.to;
  if (typeof to !== 'string') throw new KeepError('invalid_record', { message: 'to: name the user who takes over' });
  const step = await api.groups.takeOver(pathPart(call), to, call.user);
  api.authority.forget();
  logChange(call, api, 'transfer', pathPart(call), { to, project_uuid: step.project_uuid });
  return answer(step);
}
