import { openBucket } from './bucket.ts';
import type { S3Call, S3Client } from './call.ts';
import { S3Error } from './errors.ts';
import { findObject } from './object.ts';
import { requireScope, writerOf, writingOf } from './writer.ts';
import { element, s3Document, textElement, xmlResponse } from './xml.ts';

/** Who may do what is said by sharing: of the ACLs that S3 has by name those that give nothing away are true here. */
export function requirePrivate(headers: Headers): void {
  const acl = headers.get('x-amz-acl');
  const grants = [...headers.keys()].some((name) => name.startsWith('x-amz-grant-'));
  if (grants || (acl !== null && acl !== 'private' && acl !== 'bucket-owner-full-control'))
    throw new S3Error('NotImplemented', 'there are no ACLs but the canned one "private": share the collection instead');
}

/** PutBucketAcl and PutObjectAcl of what is so in any case. */
export async function putAcl(call: S3Call): Promise<Response> {
  const { headers, body } = call.context.request;
  await body?.cancel();
  requirePrivate(headers);
  if (!headers.has('x-amz-acl'))
    throw new S3Error('NotImplemented', 'there are no ACLs of your own here: share the collection instead');
  const writing = writingOf(call);
  const writer = writerOf(call);
  const { address } = call;
  const place = address.key === null ? await openBucket(call) : await findObject(call, address.key);
  if ('collection' in place) {
    const { uuid } = place.collection;
    if (uuid === null) throw new S3Error('AccessDenied', 'a portable data hash names content, which never changes');
    requireScope(call.client, 'PATCH', `/arvados/v1/collections/${uuid}`);
    await writing.requireWritable(uuid, writer);
  }
  return new Response(null);
}

/** GetBucketAcl and GetObjectAcl: as on AWS where ACLs are switched off, whatever is shared in other ways. */
export async function getAcl(call: S3Call): Promise<Response> {
  const { address, client } = call;
  if (address.key === null) await openBucket(call);
  else await findObject(call, address.key);
  const who = ownerFields(client);
  const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${who}</Grantee>`;
  const grant = element('Grant', grantee + textElement('Permission', 'FULL_CONTROL'));
  return xmlResponse(
    s3Document(
      'AccessControlPolicy',
      element('Owner', who) + element('AccessControlList', client.user === null ? '' : grant),
    ),
  );
}

/** Whom S3's answers name as the owner: who asks. Owners of collections may be projects, which clients of S3 do not know. */
export function ownerFields({ user }: S3Client): string {
  const { uuid, username } = user ?? { uuid: 'public', username: 'public' };
  return textElement('ID', uuid) + textElement('DisplayName', username);
}
