import { idOfHost, parseId } from '../../keep/collection-ids.ts';
import { pathComponents, tokenSpan } from '../../keep/path-components.ts';

/**
 * What a request addresses (docs/protocol/files.md#addresses), from its text alone. Paths are split after
 * percent-decoding, so an encoded slash is a slash. `.` is skipped and `..` is refused, never resolved: no address
 * leaves the collection that it names.
 */
export type Address = IdAddress | SiteAddress;

interface Common {
  /** Components below the root, decoded, without empty ones. */
  path: string[];
  /** True when the path says that it means a directory. */
  trailingSlash: boolean;
  /** Components of the request's path up to the root, as the client sees them. */
  prefix: string[];
}

/** In one collection or project. */
export interface IdAddress extends Common {
  kind: 'id';
  /** UUID of a collection or project, or portable data hash (with `+`). */
  id: string;
  /** The host is this collection's alone: a web origin of its own. */
  ownOrigin: boolean;
  /** A token in the path counts alone: header, cookie and anonymous token are not looked at. */
  pathToken: string | null;
  /** `/collections/ID/...`: no credentials of the client are looked at. */
  anonymousOnly: boolean;
}

/** In the tree of everything: `/`, `/by_id/...`, `/users/...`. */
export interface SiteAddress extends Common {
  kind: 'site';
}

/**
 * @param host Host header, port and all
 * @param decodedPath percent-decoded once, with its leading slash
 * @returns null for an address of nothing: 404
 */
export function parseAddress(host: string, decodedPath: string): Address | null {
  const components = pathComponents(decodedPath);
  if (components.includes('..')) return null;
  const trailingSlash = decodedPath.endsWith('/');
  const ofHost = idOfHost(host);
  if (ofHost !== null) return withToken({ id: ofHost, ownOrigin: true, components, taken: 0, trailingSlash });
  const [first = '', second = '', third = '', fourth] = components;
  if (first.startsWith('c=')) {
    const id = parseId(first.slice(2).replaceAll('-', '+'), first.slice(2));
    return id === null ? null : withToken({ id, ownOrigin: false, components, taken: 1, trailingSlash });
  }
  if (first === 'collections' && second === 'download') {
    const id = parseId(third.replaceAll('-', '+'), third);
    if (id === null || fourth === undefined) return null;
    return below({ id, ownOrigin: false, components, taken: 4, trailingSlash }, { pathToken: fourth });
  }
  if (first === 'collections') {
    const id = parseId(second.replaceAll('-', '+'), second);
    return id === null
      ? null
      : below({ id, ownOrigin: false, components, taken: 2, trailingSlash }, { anonymousOnly: true });
  }
  if (components.length === 0 || first === 'by_id' || first === 'users') {
    return { kind: 'site', path: components, trailingSlash, prefix: [] };
  }
  return null;
}

interface Found {
  id: string;
  ownOrigin: boolean;
  components: string[];
  /** Components that belong to the root. */
  taken: number;
  trailingSlash: boolean;
}

/** Takes a `t=TOKEN` component; a v2 token, whose slashes are slashes of the path too, takes three. */
function withToken(found: Found): IdAddress {
  const { components, taken } = found;
  const [first = '', second = '', third] = components.slice(taken);
  if (!first.startsWith('t=')) return below(found, {});
  const token = first.slice(2);
  const span = tokenSpan(token, second, third);
  const pathToken = span === 1 ? token : `v2/${second}/${third}`;
  return below({ ...found, taken: taken + span }, { pathToken });
}

/** What follows the root. A first `_` is not part of the path, so that a name such as `t=x` can be reached behind it. */
function below(found: Found, special: { pathToken?: string; anonymousOnly?: boolean }): IdAddress {
  const { id, ownOrigin, components, trailingSlash } = found;
  const taken = components[found.taken] === '_' ? found.taken + 1 : found.taken;
  return {
    kind: 'id',
    id,
    ownOrigin,
    path: components.slice(taken),
    trailingSlash,
    prefix: components.slice(0, taken),
    pathToken: special.pathToken ?? null,
    anonymousOnly: special.anonymousOnly ?? false,
  };
}

/** Whether this is a root, right behind which names such as `t=x` mean something: `_` may stand before its entries. */
export function takesDetours({ kind, path, prefix }: Address): boolean {
  return kind === 'id' && path.length === 0 && prefix.at(-1) !== '_';
}
