import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const MAX_DEPTH = 8;

/** A node of a document: text, or child elements by name, each a list. */
export type XmlNode = string | { [name: string]: XmlNode[] };

/**
 * The root element of a document, if it has that name. Namespaces and their prefixes do not count.
 * @throws S3Error MalformedXML
 */
export function parseXml(bytes: Uint8Array, root: string): XmlNode {
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

/** How deep elements stand in each other. Goes through the text once, whatever it is. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let end = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', end)) {
    const section = SECTIONS.find(([opening]) => text.startsWith(opening, at));
    end = section === undefined ? tagEnd(text, at) : endOf(text, section[1], at + section[0].length);
    // What is not closed is not well-formed: the parser says so.
    if (end === 0) break;
    if (section !== undefined) continue;
    if (text[at + 1] === '/') depth--;
    else if (text[end - 2] !== '/') depth++;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** What is no element: how it begins and ends. */
const SECTIONS = [
  ['<![CDATA[', ']]>'],
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<!', '>'],
] as const;

/** Where the text behind `closing` begins; 0 where there is none. */
function endOf(text: string, closing: string, from: number): number {
  const at = text.indexOf(closing, from);
  return at < 0 ? 0 : at + closing.length;
}

/** Values of attributes may have a `>` in them. */
function tagEnd(text: string, from: number): number {
  let quote = '';
  for (let at = from; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return at + 1;
  }
  return 0;
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
