import type { Lock } from '../../collections/edit/locks.ts';
import { escapeXml } from '../../http/xml.ts';
import { KeepError } from '../../keep/errors.ts';
import { lockDiscovery, SUPPORTED_LOCK } from './lock-xml.ts';
import { childElements, malformed, parseDocument } from './xml-elements.ts';

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
  /** What clients have set: `{namespace}name`, and XML. */
  properties?: Record<string, string> | undefined;
  /** Locks in whose scope it is; undefined where nothing can be locked. */
  locks?: (Lock & { href?: string })[] | undefined;
}

/** What a PROPFIND body asks for (RFC 4918 9.1). */
export type Wanted =
  | { kind: 'all' }
  | { kind: 'names' }
  | { kind: 'some'; properties: { namespace: string; name: string }[] };

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
  'supportedlock',
  'lockdiscovery',
] as const;
type LiveProperty = (typeof LIVE)[number];

/**
 * Reads the body of a PROPFIND; no body asks for everything.
 * @throws KeepError bad_request; too_large for more properties than each resource can be answered with
 */
export function parsePropfind(body: string): Wanted {
  if (body.trim() === '') return { kind: 'all' };
  const root = parseDocument(body);
  if (root.namespace !== DAV || root.name !== 'propfind') throw malformed();
  const children = childElements(root).filter(({ namespace }) => namespace === DAV);
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
    const value =
      namespace === DAV
        ? await propertyValue(resource, name)
        : (resource.properties?.[propertyKey(namespace, name)] ?? null);
    if (value !== null) found.push(element(namespace, name, wanted.kind === 'names' ? '' : value));
    else if (wanted.kind === 'some') missing.push(element(namespace, name, ''));
  }
  if (wanted.kind !== 'some') {
    for (const [key, value] of Object.entries(resource.properties ?? {})) {
      const end = key.lastIndexOf('}');
      found.push(element(key.slice(1, end), key.slice(end + 1), wanted.kind === 'names' ? '' : value));
    }
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
    case 'supportedlock':
      return resource.locks === undefined ? null : SUPPORTED_LOCK;
    case 'lockdiscovery':
      return resource.locks === undefined ? null : lockDiscovery(resource.locks, resource.href);
  }
}

export function element(namespace: string, name: string, content: string): string {
  if (namespace === DAV) return content === '' ? `<D:${name}/>` : `<D:${name}>${content}</D:${name}>`;
  if (namespace === '') return content === '' ? `<${name}/>` : `<${name} xmlns="">${content}</${name}>`;
  const opened = `X:${name} xmlns:X="${escapeXml(namespace)}"`;
  return content === '' ? `<${opened}/>` : `<${opened}>${content}</X:${name}>`;
}

/** How a property is called where it is stored. */
export function propertyKey(namespace: string, name: string): string {
  return `{${namespace}}${name}`;
}
