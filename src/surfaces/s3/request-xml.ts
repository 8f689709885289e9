import { md5 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { XMLParser } from 'fast-xml-parser';
import { bodyOf } from '../../blocks/block-request.ts';
import { byteSource } from '../../blocks/byte-source.ts';
import { createDigest } from '../../streams/digests.ts';
import type { S3Call } from './call.ts';
import { announcedChecksum, CHECKSUMS, toBase64 } from './checksums.ts';
import { S3Error } from './errors.ts';
import { contentMd5 } from './receive-object.ts';

/** 1,000 keys of 1,024 bytes, each of which may take six in XML; 10,000 parts. */
const MAX_XML_BYTES = 8 * 1024 * 1024;
const MAX_DEPTH = 8;

/** A node of a document: text, or child elements by name, each a list. */
export type XmlNode = string | { [name: string]: XmlNode[] };

/**
 * The XML document in a request's body, once its digests have proved right. Namespaces and their prefixes do not count.
 * @param options.hasOwnChecksum whether headers of checksums are of this body
 * @throws S3Error MalformedXML, BadDigest, XAmzContentSHA256Mismatch
 */
export async function requestXml(call: S3Call, root: string, { hasOwnChecksum = true } = {}): Promise<XmlNode> {
  const bytes = await checkedBytes(call, hasOwnChecksum);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new S3Error('MalformedXML');
  }
  // Entities of a document's own could grow without bound, and depth costs the parser its stack.
  if (/<!(DOCTYPE|ENTITY)/i.test(text) || depthOf(text) > MAX_DEPTH) throw new S3Error('MalformedXML');
  try {
    const found = (parser.parse(text, true) as { [name: string]: XmlNode[] })[root]?.[0];
    if (found !== undefined) return found;
  } catch {
    // Not well-formed.
  }
  throw new S3Error('MalformedXML');
}

const parser = new XMLParser({
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignoreAttributes: true,
  removeNSPrefix: true,
  processEntities: false,
  isArray: () => true,
});

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [tag] of text.matchAll(/<[/!?]?[^>]*>/g)) {
    if (tag.startsWith('</')) depth--;
    else if (!tag.startsWith('<!') && !tag.startsWith('<?') && !tag.endsWith('/>')) depth++;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** The only text of a child element; undefined where there is none. @throws S3Error MalformedXML for two, or more than text */
export function childText(node: XmlNode, name: string): string | undefined {
  const found = typeof node === 'string' ? undefined : node[name];
  if (found === undefined) return undefined;
  const [only] = found;
  if (found.length !== 1 || typeof only !== 'string') throw new S3Error('MalformedXML');
  return withoutEntities(only);
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** XML's own five, and characters by their numbers. */
function withoutEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = Number.parseInt(hex ?? decimal, hex === undefined ? 10 : 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Child elements of this name. */
export function children(node: XmlNode, name: string): XmlNode[] {
  return typeof node === 'string' ? [] : (node[name] ?? []);
}

async function checkedBytes({ context, signed }: S3Call, hasOwnChecksum: boolean): Promise<Uint8Array> {
  const { headers } = context.request;
  const form = signed?.payloadHash ?? '';
  if (form.startsWith('STREAMING-')) throw new S3Error('InvalidRequest', 'this request takes no aws-chunked body');
  const source = byteSource(bodyOf(context.request));
  const buffer = new Uint8Array(
    Math.min(MAX_XML_BYTES, Math.max(0, Number(headers.get('Content-Length') ?? MAX_XML_BYTES) || 0)) + 1,
  );
  const filled = await source.fill(buffer);
  if (filled === buffer.byteLength) {
    await source.cancel('too large');
    throw new S3Error(
      'MalformedXML',
      `the document has more than ${MAX_XML_BYTES} bytes, or more than it was sent with`,
    );
  }
  const bytes = buffer.subarray(0, filled);
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
