import { md5 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { heldChunks } from '../../http/request-chunks.ts';
import { createDigest } from '../../streams/digests.ts';
import { joinBytes } from '../../streams/join-bytes.ts';
import type { S3Call } from './call.ts';
import { announcedChecksum, CHECKSUMS, toBase64 } from './checksums.ts';
import { S3Error } from './errors.ts';
import { contentMd5 } from './receive-object.ts';
import { parseXml, type XmlNode } from './xml-document.ts';

/** 1,000 keys of 1,024 bytes, each of which may take six in XML; 10,000 parts. */
const MAX_XML_BYTES = 8 * 1024 * 1024;

/**
 * The XML document in a request's body, once its digests have proved right. Namespaces and their prefixes do not count.
 * @param options.hasOwnChecksum whether headers of checksums are of this body
 * @throws S3Error MalformedXML, BadDigest, XAmzContentSHA256Mismatch
 */
export async function requestXml(call: S3Call, root: string, { hasOwnChecksum = true } = {}): Promise<XmlNode> {
  return parseXml(await checkedBytes(call, hasOwnChecksum), root);
}

async function checkedBytes({ context, signed }: S3Call, hasOwnChecksum: boolean): Promise<Uint8Array> {
  const { headers } = context.request;
  const form = signed?.payloadHash ?? '';
  if (form.startsWith('STREAMING-')) throw new S3Error('InvalidRequest', 'this request takes no aws-chunked body');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of heldChunks(context.request)) {
    length += chunk.byteLength;
    if (length > MAX_XML_BYTES) throw new S3Error('MalformedXML', `the document has more than ${MAX_XML_BYTES} bytes`);
    chunks.push(chunk);
  }
  const bytes = joinBytes(chunks, length);
  if (/^[0-9a-f]{64}$/.test(form) && bytesToHex(sha256(bytes)) !== form) throw new S3Error('XAmzContentSHA256Mismatch');
  const expected = contentMd5(headers);
  if (expected !== null && bytesToHex(md5(bytes)) !== expected) throw new S3Error('BadDigest');
  const announced = hasOwnChecksum ? announcedChecksum(headers) : null;
  if (announced !== null && announced.value !== null) {
    const digest = createDigest(CHECKSUMS[announced.name].digest);
    await digest.write(bytes.slice());
    if (toBase64(await digest.bytes()) !== announced.value) throw new S3Error('BadDigest');
  }
  return bytes;
}
