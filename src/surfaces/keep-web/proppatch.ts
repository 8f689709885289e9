import { escapeXml } from '../../http/xml.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import { encodePath } from '../../keep/uri-paths.ts';
import { limitedText } from './limited-text.ts';
import { isDropped } from './litter.ts';
import { element, propertyKey } from './propfind.ts';
import { commit, missing, type Write } from './write-request.ts';
import { childElements, innerXml, malformed, parseDocument } from './xml-elements.ts';

const DAV = 'DAV:';
/** Windows sets these after each upload, and shows an error where they are refused. They are accepted and not kept. */
const WINDOWS = 'urn:schemas-microsoft-com:';

interface Change {
  namespace: string;
  name: string;
  /** XML; null removes it. */
  value: string | null;
}

/**
 * PROPPATCH (RFC 4918 9.2): all changes or none. Properties are kept with the file or directory, and follow it; those of
 * WebDAV itself cannot be set.
 */
export async function proppatch(asked: Write): Promise<Response> {
  const { context, target } = asked;
  const changes = parseChanges(await limitedText(context.request));
  const isProtected = ({ namespace }: Change) => namespace === DAV;
  const set = Object.fromEntries(
    changes
      .filter(({ namespace }) => namespace !== DAV && namespace !== WINDOWS)
      .map(({ namespace, name, value }) => [propertyKey(namespace, name), value]),
  );
  const exists = { path: target.path, is: ['file' as const, 'directory' as const], otherwise: missing() };
  if (changes.some(isProtected)) {
    await commit(asked, [], [exists]);
    return statuses(asked, (change) => (isProtected(change) ? '403 Forbidden' : '424 Failed Dependency'), changes);
  }
  try {
    await commit(asked, Object.keys(set).length === 0 ? [] : [{ kind: 'properties', path: target.path, set }], [
      exists,
    ]);
  } catch (error) {
    if (isKeepError(error, 'not_found') && (await isDropped(asked))) return statuses(asked, () => '200 OK', changes);
    if (!isKeepError(error, 'full')) throw error;
    return statuses(asked, () => '507 Insufficient Storage', changes);
  }
  return statuses(asked, () => '200 OK', changes);
}

/** In the order of the document: a later one of the same name counts. @throws KeepError bad_request */
export function parseChanges(body: string): Change[] {
  const root = parseDocument(body);
  if (root.namespace !== DAV || root.name !== 'propertyupdate') throw malformed();
  const changes = childElements(root)
    .filter(({ namespace, name }) => namespace === DAV && (name === 'set' || name === 'remove'))
    .flatMap((action) =>
      childElements(action)
        .filter(({ namespace, name }) => namespace === DAV && name === 'prop')
        .flatMap((prop) => childElements(prop))
        .map((property) => ({
          namespace: property.namespace,
          name: property.name,
          value: action.name === 'set' ? innerXml(property) : null,
        })),
    );
  if (changes.length === 0) throw new KeepError('bad_request', { message: 'PROPPATCH names the properties to change' });
  return changes;
}

function statuses({ target, address }: Write, statusOf: (change: Change) => string, changes: Change[]): Response {
  const path = target.path === '' ? [] : target.path.split('/');
  const href = encodePath([...target.prefix, ...path], address.trailingSlash);
  const byStatus = new Map<string, string>();
  for (const change of changes) {
    const status = statusOf(change);
    byStatus.set(status, (byStatus.get(status) ?? '') + element(change.namespace, change.name, ''));
  }
  const propstats = [...byStatus].map(([status, names]) => {
    const error = status.startsWith('403') ? '<D:error><D:cannot-modify-protected-property/></D:error>' : '';
    return `<D:propstat><D:prop>${names}</D:prop><D:status>HTTP/1.1 ${status}</D:status>${error}</D:propstat>`;
  });
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<D:multistatus xmlns:D="DAV:"><D:response><D:href>${escapeXml(href)}</D:href>${propstats.join('')}</D:response></D:multistatus>\n`;
  return new Response(body, { status: 207, headers: { 'Content-Type': 'application/xml; charset=utf-8' } });
}
