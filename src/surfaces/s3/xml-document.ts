import { XMLParser } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const MAX_DEPTH = 8;
/** Tags, comments and the like of a document: twice the elements of 10,000 parts. Each costs the parser 4 µs, and 40 times its text in memory. */
const MAX_MARKS = 120_000;
const MAX_MARK_CHARS = 4096;

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
  // Entities of a document's own could grow without bound.
  if (/<!(DOCTYPE|ENTITY)/i.test(text) || !hasPlainShape(text)) throw new S3Error('MalformedXML');
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

/**
 * Whether elements stand no deeper in each other than the parser's stack bears, and are no more than it takes without
 * holding others up. Goes through the text once, whatever it is.
 */
function hasPlainShape(text: string): boolean {
  let depth = 0;
  let marks = 0;
  let end = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', end)) {
    const section = SECTIONS.find(([opening]) => text.startsWith(opening, at));
    end = section === undefined ? tagEnd(text, at) : endOf(text, section[1], at + section[0].length);
    if (end === 0 || ++marks > MAX_MARKS) return false;
    if (section !== undefined) continue;
    if (text[at + 1] === '/') depth--;
    else if (text[end - 2] !== '/') depth++;
    if (depth > MAX_DEPTH) return false;
  }
  return true;
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

/** Values of attributes may have a `>` in them. 0 where the tag does not end, or is longer than any. */
function tagEnd(text: string, from: number): number {
  let quote = '';
  const last = Math.min(text.length, from + MAX_MARK_CHARS);
  for (let at = from; at < last; at++) {
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
