import { XMLParser } from 'fast-xml-parser';
import { KeepError } from '../../keep/errors.ts';
import { escapeXml } from './xml.ts';

/** One file or directory as WebDAV sees it. */
export interface Resource {
  /** Percent-encoded absolute path; a directory's ends with a slash. */
  href: string;
  name: string;
  kind: 'file' | 'directory';
  /** Unix milliseconds; null where there is no date. */
  modified: number | null;
  /** Of files. */
  size: number;
  type: string;
  /** With quotes. Made only when it is asked for. */
  etag: () => string;
}

/** What a PROPFIND body asks for (RFC 4918 9.1). */
export type Wanted =
  | { kind: 'all' }
  | { kind: 'names' }
  | { kind: 'some'; properties: { namespace: string; name: string }[] };

/** A request body is a few property names. */
export const MAX_PROPFIND_BYTES = 64 * 1024;

const DAV = 'DAV:';
const LIVE = [
  'resourcetype',
  'displayname',
  'getcontentlength',
  'getlastmodified',
  'getcontenttype',
  'getetag',
] as const;
type LiveProperty = (typeof LIVE)[number];

/**
 * Reads the body of a PROPFIND; no body asks for everything.
 * @throws KeepError bad_request
 */
export function parsePropfind(body: string): Wanted {
  if (body.trim() === '') return { kind: 'all' };
  const root = findElement(parseXml(body), '', new Map());
  if (root === null || root.namespace !== DAV || root.name !== 'propfind') throw malformed();
  const children = childElements(root).filter(({ namespace }) => namespace === DAV);
  const asked = children.filter(({ name }) => ['prop', 'allprop', 'propname'].includes(name));
  const [first] = asked;
  if (first === undefined || asked.length > 1) throw malformed();
  if (first.name === 'allprop') return { kind: 'all' };
  if (first.name === 'propname') return { kind: 'names' };
  const properties = childElements(first).map(({ namespace, name }) => ({ namespace, name }));
  if (properties.length === 0) throw malformed();
  return { kind: 'some', properties };
}

/** The chunks of a 207 body, in the order of the resources. */
export async function* multistatus(
  resources: AsyncIterable<Resource> | Iterable<Resource>,
  wanted: Wanted,
): AsyncGenerator<string> {
  yield '<?xml version="1.0" encoding="UTF-8"?>\n<D:multistatus xmlns:D="DAV:">';
  for await (const resource of resources) yield responseElement(resource, wanted);
  yield '</D:multistatus>\n';
}

/** The body of a refusal that names its precondition (RFC 4918 16). */
export function davError(precondition: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<D:error xmlns:D="DAV:"><D:${precondition}/></D:error>\n`;
}

function responseElement(resource: Resource, wanted: Wanted): string {
  const found: string[] = [];
  const missing: string[] = [];
  const asked = wanted.kind === 'some' ? wanted.properties : LIVE.map((name) => ({ namespace: DAV, name }));
  for (const { namespace, name } of asked) {
    const value = namespace === DAV ? propertyValue(resource, name) : null;
    if (value !== null) found.push(element(namespace, name, wanted.kind === 'names' ? '' : value));
    else if (wanted.kind === 'some') missing.push(element(namespace, name, ''));
  }
  return (
    `<D:response><D:href>${escapeXml(resource.href)}</D:href>` +
    propstat(found, '200 OK', missing.length === 0) +
    propstat(missing, '404 Not Found', false) +
    '</D:response>'
  );
}

function propstat(elements: string[], status: string, evenIfEmpty: boolean): string {
  if (elements.length === 0 && !evenIfEmpty) return '';
  return `<D:propstat><D:prop>${elements.join('')}</D:prop><D:status>HTTP/1.1 ${status}</D:status></D:propstat>`;
}

/** XML of a property's value; null when the resource has no such property. */
function propertyValue(resource: Resource, name: string): string | null {
  if (!LIVE.includes(name as LiveProperty)) return null;
  const isFile = resource.kind === 'file';
  switch (name as LiveProperty) {
    case 'resourcetype':
      return isFile ? '' : '<D:collection/>';
    case 'displayname':
      return escapeXml(resource.name);
    case 'getlastmodified':
      return resource.modified === null ? null : new Date(resource.modified).toUTCString();
    case 'getcontentlength':
      return isFile ? String(resource.size) : null;
    case 'getcontenttype':
      return isFile ? escapeXml(resource.type) : null;
    case 'getetag':
      return isFile ? escapeXml(resource.etag()) : null;
  }
}

function element(namespace: string, name: string, content: string): string {
  if (namespace === DAV) return content === '' ? `<D:${name}/>` : `<D:${name}>${content}</D:${name}>`;
  return namespace === '' ? `<${name}/>` : `<X:${name} xmlns:X="${escapeXml(namespace)}"/>`;
}

/** fast-xml-parser's ordered form: one key for the element's name, and its attributes under `:@`. */
type XmlNode = Record<string, XmlNode[] | Record<string, string>>;

interface XmlElement {
  namespace: string;
  name: string;
  children: XmlNode[];
  prefixes: Map<string, string>;
}

function parseXml(text: string): XmlNode[] {
  // No document type: entities could grow without bound, and no client sends one.
  if (/<!DOCTYPE/i.test(text)) throw malformed();
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    ignoreDeclaration: true,
    processEntities: true,
  });
  try {
    return parser.parse(text, true) as XmlNode[];
  } catch (error) {
    throw malformed(error);
  }
}

function childElements(parent: XmlElement): XmlElement[] {
  return parent.children.flatMap((node) => findElement([node], '', parent.prefixes) ?? []);
}

/** The first element among nodes, its name resolved to namespace and local part. */
function findElement(nodes: XmlNode[], fallback: string, outer: Map<string, string>): XmlElement | null {
  for (const node of nodes) {
    const tag = Object.keys(node).find((key) => key !== ':@' && key !== '#text' && !key.startsWith('?'));
    if (tag === undefined) continue;
    const prefixes = new Map(outer);
    for (const [attribute, value] of Object.entries((node[':@'] ?? {}) as Record<string, string>)) {
      if (attribute === 'xmlns') prefixes.set('', value);
      else if (attribute.startsWith('xmlns:')) prefixes.set(attribute.slice('xmlns:'.length), value);
    }
    const [prefix = '', local] = tag.includes(':') ? tag.split(':', 2) : ['', tag];
    const namespace = prefixes.get(prefix) ?? (prefix === '' ? fallback : undefined);
    if (namespace === undefined || local === undefined || !/^[\p{L}_][\p{L}\p{N}._-]*$/u.test(local)) throw malformed();
    return { namespace, name: local, children: node[tag] as XmlNode[], prefixes };
  }
  return null;
}

function malformed(cause?: unknown): KeepError {
  return new KeepError('bad_request', { message: 'the body is not a PROPFIND request', cause });
}
