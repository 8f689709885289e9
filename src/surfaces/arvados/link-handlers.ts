import * as v from 'valibot';
import { LINKS, type LinkAttributes } from '../../accounts/links.ts';
import type { Row } from '../../records/columns.ts';
import { jsonObject } from '../../records/json-object.ts';
import { answer, listOf } from './answer.ts';
import { logChange, tellShare } from './audit.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { parseRecord, present } from './record-body.ts';

const MAX_PROPERTIES_BYTES = 65_536;

const ShortText = v.pipe(v.string(), v.maxLength(255, 'value too long'));

const LinkBody = v.object({
  link_class: v.optional(ShortText),
  name: v.optional(ShortText),
  tail_uuid: v.optional(v.nullable(ShortText)),
  head_uuid: v.optional(v.nullable(ShortText)),
  properties: v.optional(v.nullable(jsonObject(MAX_PROPERTIES_BYTES))),
});

async function attributesOf(call: ApiCall): Promise<LinkAttributes> {
  const { tail_uuid, head_uuid, properties, ...body } = parseRecord(LinkBody, (await readBody(call)).record);
  return present({
    ...body,
    tail_uuid: tail_uuid ?? undefined,
    head_uuid: head_uuid ?? undefined,
    properties: properties ?? undefined,
  });
}

export async function getLink(call: ApiCall, { links }: EmbeddedApi): Promise<Response> {
  return answer(await links.get(pathPart(call), call.user));
}

export async function listLinks(call: ApiCall, { links }: EmbeddedApi): Promise<Response> {
  return answer(listOf(LINKS.kind, await links.list(call.parameters, call.user)));
}

export async function createLink(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const link = await api.links.create(await attributesOf(call), call.user);
  api.authority.forget();
  logLink(call, api, 'share', link);
  return answer(link);
}

export async function updateLink(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const link = await api.links.update(pathPart(call), await attributesOf(call), call.user);
  api.authority.forget();
  logLink(call, api, 'share', link);
  return answer(link);
}

export async function deleteLink(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const link = await api.links.delete(pathPart(call), call.user);
  api.authority.forget();
  logLink(call, api, 'unshare', link);
  return answer(link);
}

/** GET permissions/{uuid}: the permission links to a record. */
export async function listPermissions(call: ApiCall, { links }: EmbeddedApi): Promise<Response> {
  return answer(listOf(LINKS.kind, await links.permissionsOf(pathPart(call), call.parameters, call.user)));
}

function logLink(
  call: ApiCall,
  api: EmbeddedApi,
  event: string,
  { link_class, head_uuid, tail_uuid, name }: Row,
): void {
  if (link_class !== 'permission') return;
  logChange(call, api, event, String(head_uuid), { tail_uuid, name });
  if (event === 'share') tellShare(call, api, String(head_uuid));
}
