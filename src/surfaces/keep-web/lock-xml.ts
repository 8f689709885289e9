import type { Lock } from '../../collections/edit/locks.ts';
import { escapeXml } from '../../http/xml.ts';

/** XML of `supportedlock` (RFC 4918 15.10). */
export const SUPPORTED_LOCK = ['exclusive', 'shared']
  .map(
    (scope) => `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`,
  )
  .join('');

/**
 * XML of `lockdiscovery` (RFC 4918 15.8).
 * @param href percent-encoded path of the resource; locks of directories above it are shown with theirs
 */
export function lockDiscovery(locks: readonly (Lock & { href?: string })[], href: string): string {
  return locks.map((lock) => activeLock(lock, lock.href ?? href)).join('');
}

function activeLock(lock: Lock, href: string): string {
  const seconds = Math.max(0, Math.round((lock.expiresAt - Date.now()) / 1000));
  return (
    '<D:activelock><D:locktype><D:write/></D:locktype>' +
    `<D:lockscope><D:${lock.isShared ? 'shared' : 'exclusive'}/></D:lockscope>` +
    `<D:depth>${lock.isDeep ? 'infinity' : '0'}</D:depth>` +
    (lock.owner === '' ? '' : `<D:owner>${lock.owner}</D:owner>`) +
    `<D:timeout>Second-${seconds}</D:timeout>` +
    `<D:locktoken><D:href>${escapeXml(lock.token)}</D:href></D:locktoken>` +
    `<D:lockroot><D:href>${escapeXml(href)}</D:href></D:lockroot></D:activelock>`
  );
}
