import type { Condition } from '../../collections/edit/edits.ts';
import { KeepError } from '../../keep/errors.ts';
import { decodeUriName } from '../../keep/manifest/uri-names.ts';
import { type IdAddress, parseAddress } from './address.ts';
import { parseIf } from './if-header.ts';

/** What a request's headers demand of the collection when it commits, and the lock tokens it shows. */
export interface Demands {
  conditions: Condition[];
  lockTokens: string[];
}

const FAILED = { code: 'precondition_failed', message: 'precondition failed' } as const;

/**
 * `If-Match`, `If-None-Match` and `If` of a request.
 * @param path in the collection
 * @param pathOf the path there that another address names; null when it names none there
 * @throws KeepError bad_request
 */
export function demandsOf(request: Request, path: string, pathOf: (address: IdAddress) => string | null): Demands {
  const conditions: Condition[] = [];
  const ifMatch = request.headers.get('If-Match');
  if (ifMatch !== null)
    conditions.push(
      ifMatch.trim() === '*'
        ? { path, is: ['file', 'directory'], otherwise: FAILED }
        : { path, etag: tagsOf(ifMatch, true), matches: true, otherwise: FAILED },
    );
  const ifNoneMatch = request.headers.get('If-None-Match');
  if (ifNoneMatch !== null)
    conditions.push(
      ifNoneMatch.trim() === '*'
        ? { path, is: ['absent'], otherwise: FAILED }
        : { path, etag: tagsOf(ifNoneMatch, false), matches: false, otherwise: FAILED },
    );
  const header = request.headers.get('If');
  if (header === null) return { conditions, lockTokens: [] };
  const host = new URL(request.url).host;
  const { lists, tokens } = parseIf(header, path, (url) => {
    const found = addressOf(url, host);
    return found === null || found === 'elsewhere' ? null : pathOf(found);
  });
  return { conditions: [...conditions, { anyOf: lists, otherwise: FAILED }], lockTokens: tokens };
}

/** Weak tags never match strongly; our own are strong. */
function tagsOf(header: string, strong: boolean): string[] {
  const tags = header.match(/(W\/)?"[^"]*"/g) ?? [];
  return strong ? tags.filter((tag) => !tag.startsWith('W/')) : tags.map((tag) => tag.replace(/^W\//, ''));
}

/** The address that a URL in a header names: an absolute one, or an absolute path. Null when it is none of ours. */
export function addressOf(url: string, host: string): IdAddress | 'elsewhere' | null {
  const [, authority, path = '/'] = /^(?:https?:\/\/([^/?#]*))?([^?#]*)/i.exec(url.trim()) ?? [];
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase()) return 'elsewhere';
  if (authority === undefined && !url.trim().startsWith('/')) return null;
  try {
    const address = parseAddress(host, decodeUriName(path === '' ? '/' : path));
    return address?.kind === 'id' ? address : null;
  } catch {
    return null;
  }
}

/**
 * The Destination of a COPY or MOVE.
 * @throws KeepError bad_request, bad_gateway for another server
 */
export function destinationOf(request: Request): IdAddress {
  const header = request.headers.get('Destination');
  if (header === null) throw new KeepError('bad_request', { message: 'the Destination header is missing' });
  const address = addressOf(header, new URL(request.url).host);
  if (address === 'elsewhere')
    throw new KeepError('bad_gateway', {
      message: 'the destination is on another server: copy it by way of the client',
    });
  if (address === null) throw new KeepError('bad_request', { message: 'destination path not supported' });
  return address;
}
