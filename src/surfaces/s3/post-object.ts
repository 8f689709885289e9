import { storeBody } from '../../blocks/store-body.ts';
import type { BlockRange } from '../../collections/edit/edits.ts';
import { objectEtagOfRanges } from '../../collections/object-etag.ts';
import type { RequestContext } from '../../http/context.ts';
import { equalInConstantTime } from '../../keep/constant-time.ts';
import { streamOfChunks } from '../../streams/chunk-stream.ts';
import type { S3Address } from './address.ts';
import { clientOf } from './authenticate.ts';
import { checkKey, type S3Call } from './call.ts';
import type { S3Dependencies } from './dependencies.ts';
import { S3Error } from './errors.ts';
import { type Form, readForm } from './form-data.ts';
import { objectMetadata } from './object-metadata.ts';
import { judgePolicy, type Policy } from './post-policy.ts';
import { ALGORITHM, NO_V2, signingKeyOf, signText, splitCredential } from './signature.ts';
import { noDirectory, targetOfCommit, uploadDestination } from './write-place.ts';
import { element, textElement, xmlDocument, xmlResponse } from './xml.ts';

/** POST Object: a browser's form puts a file under the policy that its maker has signed. */
export async function postObject(context: RequestContext, deps: S3Dependencies, address: S3Address): Promise<Response> {
  const { request } = context;
  const form = await readForm(request.body, request.headers.get('Content-Type') ?? '');
  const bucket = address.bucket ?? '';
  const { client, policy } = await signerOf(context, deps, form, bucket);
  const key = checkKey((form.fields.get('key') ?? '').replaceAll('${' + 'filename}', form.filename));
  const call: S3Call = { context, deps, address: { bucket, key }, query: new URLSearchParams(), client, signed: null };
  const target = await targetOfCommit(call, key);
  if (target.isMarker) throw new S3Error('InvalidArgument', 'a form puts files: its key does not end with a slash');
  const metadata = objectMetadata(fieldsOf(form), context.now * 1000);
  const storing = storeBody(
    streamOfChunks(within(form.content, policy)),
    { length: null, isNative: false },
    await uploadDestination(call, target),
  );
  context.waitUntil(storing.catch(() => undefined));
  const ranges = (await storing).map(({ locator, size }): BlockRange => ({ locator, offset: 0, length: size }));
  const { uuid, path, writer, writing } = target;
  const edits = [{ kind: 'put' as const, path, ranges, metadata }];
  await writing.commits.edit(uuid, { writer, edits, conditions: [noDirectory(path)], lockTokens: [] });
  return done(form, `/${bucket}/${encodeURI(key)}`, { bucket, key, etag: objectEtagOfRanges(ranges) });
}

/** Who signed the policy, and what it allows. */
async function signerOf(context: RequestContext, deps: S3Dependencies, { fields }: Form, bucket: string) {
  const text = fields.get('policy');
  if (fields.has('awsaccesskeyid')) throw new S3Error('InvalidRequest', NO_V2);
  if (text === undefined) throw new S3Error('AccessDenied', 'a form without a signed policy puts nothing here');
  const [algorithm, credential, amzDate, signature] = ['algorithm', 'credential', 'date', 'signature'].map((name) =>
    fields.get(`x-amz-${name}`),
  );
  if (algorithm !== ALGORITHM || !credential || !amzDate || !signature)
    throw new S3Error(
      'InvalidArgument',
      `a form needs the fields x-amz-algorithm (${ALGORITHM}), x-amz-credential, x-amz-date and x-amz-signature`,
    );
  const malformed = (why: string) => new S3Error('InvalidArgument', `the form ${why}`);
  const { accessKey, scope } = splitCredential(credential, amzDate, malformed);
  const { client } = await clientOf(context, deps, { kind: 'query', accessKey }, (secret) => {
    if (!equalInConstantTime(signature, signText(signingKeyOf(secret, scope), text)))
      throw new S3Error('SignatureDoesNotMatch');
  });
  const policy = judgePolicy(text, new Map([...fields, ['bucket', bucket]]), context.now * 1000);
  if (client.user !== null) context.log.userUUID = client.user.uuid;
  return { client, policy };
}

async function* within(content: Form['content'], { minBytes, maxBytes }: Policy): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size of the policy');
    yield chunk;
  }
  if (bytes < minBytes)
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size of the policy');
}

/** Fields are what headers are in PUT. */
function fieldsOf({ fields, fileType }: Form): Map<string, string> {
  const named = new Map([...fields].filter(([name]) => /^[\w-]+$/.test(name)));
  if (!named.has('content-type') && fileType !== '') named.set('content-type', fileType);
  return named;
}

function done(
  { fields }: Form,
  location: string,
  { bucket, key, etag }: { bucket: string; key: string; etag: string },
): Response {
  const headers = { ETag: etag, Location: location };
  const redirect = URL.parse(fields.get('success_action_redirect') ?? fields.get('redirect') ?? '');
  if (redirect !== null && /^https?:$/.test(redirect.protocol)) {
    for (const [name, value] of Object.entries({ bucket, key, etag })) redirect.searchParams.set(name, value);
    return new Response(null, { status: 303, headers: { ...headers, Location: redirect.href } });
  }
  const status = fields.get('success_action_status');
  if (status === '200') return new Response(null, { status: 200, headers });
  if (status !== '201') return new Response(null, { status: 204, headers });
  const fieldsOfAnswer = { Location: location, Bucket: bucket, Key: key, ETag: etag };
  const content = Object.entries(fieldsOfAnswer).map(([name, value]) => textElement(name, value));
  return xmlResponse(xmlDocument(element('PostResponse', content.join(''))), { status: 201, headers });
}
