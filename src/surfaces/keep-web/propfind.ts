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
  etag: () => string | Promise<string>;
}

/** What a PROPFIND body asks for (RFC 4918 9.1). */
export type Wanted =
  | { kind: 'all' }
  | { kind: 'names' }
  | { kind: 'some'; properties: { namespace: string; name: string }[] };

/** A request body is a few property names. */
export const MAX_PROPFIND_BYTES = 64 * 1024;
/** Of one request; clients ask for about twenty. */
const MAX_PROPERTIES = 100;
/** Characters of the names and namespaces of all properties: each resource repeats those that it does not have. */
const MAX_PROPERTY_CHARS = 4096;

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
 * @throws KeepError bad_request; too_large for more properties than each resource can be answered with
 */
export function parsePropfind(body: string): Wanted {
  if (body.trim() === '') return { kind: 'all' };
  const root = findElement(parseXml(body), null);
  if (root === null || root.namespace !== DAV || root.name !== 'propfind') throw malformed();
  const children = [...childElements(root)].filter(({ namespace }) => namespace === DAV);
  const asked = children.filter(({ name }) => ['prop', 'allprop', 'propname'].includes(name));
  const [first] = asked;
  if (first === undefined || asked.length > 1) throw malformed();
  if (first.name === 'allprop') return { kind: 'all' };
  if (first.name === 'propname') return { kind: 'names' };
  const properties = new Map<string, { namespace: string; name: string }>();
  let chars = 0;
  for (const { namespace, name } of childElements(first)) {
    const key = `${namespace} ${name}`;
    if (properties.has(key)) continue;
    properties.set(key, { namespace, name });
    chars += key.length;
    if (properties.size > MAX_PROPERTIES || chars > MAX_PROPERTY_CHARS) {
      throw new KeepError('too_large', {
        message: `ask for at most ${MAX_PROPERTIES} properties, with names of ${MAX_PROPERTY_CHARS} characters together`,
      });
    }
  }
  if (properties.size === 0) throw malformed();
  return { kind: 'some', properties: [...properties.values()] };
}

/** The chunks of a 207 body, in the order of the resources. */
export async function* multistatus(
  resources: AsyncIterable<Resource> | Iterable<Resource>,
  wanted: Wanted,
): AsyncGenerator<string> {
  yield '<?xml version="1.0" encoding="UTF-8"?>\n<D:multistatus xmlns:D="DAV:">';
  for await (const resource of resources) yield await responseElement(resource, wanted);
  yield '</D:multistatus>\n';
}

/** The body of a refusal that names its precondition (RFC 4918 16). */
export function davError(precondition: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<D:error xmlns:D="DAV:"><D:${precondition}/></D:error>\n`;
}

async function responseElement(resource: Resource, wanted: Wanted): Promise<string> {
  const found: string[] = [];
  const missing: string[] = [];
  const asked = wanted.kind === 'some' ? wanted.properties : LIVE.map((name) => ({ namespace: DAV, name }));
  for (const { namespace, name } of asked) {
    const value = namespace === DAV ? await propertyValue(resource, name) : null;
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
async function propertyValue(resource: Resource, name: string): Promise<string | null> {
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
      return isFile ? escapeXml(await resource.etag()) : null;
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
  scope: Scope | null;
}

/** Namespaces by prefix that an element declares; those of the elements around it are behind it. */
interface Scope {
  prefixes: Map<string, string>;
  outer: Scope | null;
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

function* childElements(parent: XmlElement): Generator<XmlElement> {
  for (const node of parent.children) {
    const element = findElement([node], parent.scope);
    if (element !== null) yield element;
  }
}

/** The first element among nodes, its name resolved to namespace and local part. */
function findElement(nodes: XmlNode[], outer: Scope | null): XmlElement | null {
  for (const node of nodes) {
    const tag = Object.keys(node).find((key) => key !== ':@' && key !== '#text' && !key.startsWith('?'));
    if (tag === undefined) continue;
    const prefixes = declaredBy((node[':@'] ?? {}) as Record<string, string>);
    const scope = prefixes.size === 0 ? outer : { prefixes, outer };
    const [prefix = '', local] = tag.includes(':') ? tag.split(':', 2) : ['', tag];
    const namespace = resolvePrefix(prefix, scope) ?? (prefix === '' ? '' : undefined);
    if (namespace === undefined || local === undefined || !/^[\p{L}_][\p{L}\p{N}._-]*$/u.test(local)) throw malformed();
    return { namespace, name: local, children: node[tag] as XmlNode[], scope };
  }
  return null;
}

function declaredBy(attributes: Record<string, string>): Map<string, string> {
  const prefixes = new Map<string, string>();
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === 'xmlns') prefixes.set('', value);
    else if (attribute.startsWith('xmlns:')) prefixes.set(attribute.slice('xmlns:'.length), value);
  }
  return prefixes;
}

function resolvePrefix(prefix: string, scope: Scope | null): string | undefined {
  for (let at = scope; at !== null; at = at.outer) {
    const namespace = at.prefixes.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  return undefined;
}

function malformed(cause?: unknown): KeepError {
  return new KeepError('bad_request', { message: 'the body is not a PROPFIND request', cause });
}
