import { XMLParser } from 'fast-xml-parser';
import { escapeXml } from '../../http/xml.ts';
import { KeepError } from '../../keep/errors.ts';

/** fast-xml-parser's ordered form: one key for the element's name, and its attributes under `:@`. */
type XmlNode = Record<string, XmlNode[] | Record<string, string> | string>;

/** An element whose name is resolved to namespace and local part. */
export interface XmlElement {
  namespace: string;
  name: string;
  children: XmlNode[];
  scope: Scope | null;
  /** Those that declare no prefix. */
  attributes: [name: string, value: string][];
}

/** Namespaces by prefix that an element declares; those of the elements around it are behind it. */
interface Scope {
  prefixes: Map<string, string>;
  outer: Scope | null;
}

/** The root element of a document. @throws KeepError bad_request */
export function parseDocument(text: string): XmlElement {
  const root = findElement(parseXml(text), null);
  if (root === null) throw malformed();
  return root;
}

export function childElements(parent: XmlElement): XmlElement[] {
  return parent.children.flatMap((node) => findElement([node], parent.scope) ?? []);
}

/** What is inside an element, as XML that needs no declarations from outside. */
export function innerXml(parent: XmlElement): string {
  return parent.children
    .map((node) => {
      if (typeof node['#text'] === 'string') return escapeXml(node['#text']);
      const child = findElement([node], parent.scope);
      return child === null ? '' : elementXml(child);
    })
    .join('');
}

function elementXml(element: XmlElement): string {
  const { name, namespace, attributes } = element;
  const written = attributes.map(([attribute, value]) => ` ${attribute}="${escapeXml(value)}"`).join('');
  const content = innerXml(element);
  const opened = `${name} xmlns="${escapeXml(namespace)}"${written}`;
  return content === '' ? `<${opened}/>` : `<${opened}>${content}</${name}>`;
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
    // Numeric references.
    htmlEntities: true,
    parseTagValue: false,
    trimValues: false,
  });
  try {
    return parser.parse(text, true) as XmlNode[];
  } catch (error) {
    throw malformed(error);
  }
}

/** The first element among nodes. */
function findElement(nodes: XmlNode[], outer: Scope | null): XmlElement | null {
  for (const node of nodes) {
    const tag = Object.keys(node).find((key) => key !== ':@' && key !== '#text' && !key.startsWith('?'));
    if (tag === undefined) continue;
    const prefixes = new Map<string, string>();
    const attributes: [string, string][] = [];
    for (const [attribute, value] of Object.entries((node[':@'] ?? {}) as Record<string, string>)) {
      if (attribute === 'xmlns') prefixes.set('', value);
      else if (attribute.startsWith('xmlns:')) {
        // RFC 4918 and the XML namespaces: a prefix cannot stand for no namespace.
        if (value === '') throw malformed();
        prefixes.set(attribute.slice('xmlns:'.length), value);
      } else if (!attribute.includes(':') || attribute.startsWith('xml:')) attributes.push([attribute, value]);
    }
    const [prefix = '', local] = tag.includes(':') ? tag.split(':', 2) : ['', tag];
    const scope = prefixes.size === 0 ? outer : { prefixes, outer };
    const namespace = resolvePrefix(prefix, scope) ?? (prefix === '' ? '' : undefined);
    if (namespace === undefined || local === undefined || !/^[\p{L}_][\p{L}\p{N}._-]*$/u.test(local)) throw malformed();
    return { namespace, name: local, children: node[tag] as XmlNode[], scope, attributes };
  }
  return null;
}

function resolvePrefix(prefix: string, scope: Scope | null): string | undefined {
  for (let at = scope; at !== null; at = at.outer) {
    const namespace = at.prefixes.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  return undefined;
}

export function malformed(cause?: unknown): KeepError {
  return new KeepError('bad_request', { message: 'the body is not what this method takes: malformed XML', cause });
}
