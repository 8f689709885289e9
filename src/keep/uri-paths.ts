import { encodeUriName } from './manifest/uri-names.ts';

/** Components that lead from a directory to an entry of it. @param detours whether the directory takes them */
export function stepsTo(name: string, detours: boolean): string[] {
  return detours && (name === '_' || name === '.keep-edge' || name.startsWith('t=')) ? ['_', name] : [name];
}

/** Path for a URL: each component percent-encoded, a slash before each, and one behind when asked. */
export function encodePath(components: readonly string[], trailingSlash = false): string {
  const path = components.map((component) => `/${encodeComponent(component)}`).join('');
  return trailingSlash || path === '' ? `${path}/` : path;
}

/** Components that lead from a collection's root to a path in it. */
export function stepsInto([first, ...rest]: readonly string[]): string[] {
  return first === undefined ? [] : [...stepsTo(first, true), ...rest];
}

/**
 * Percent-encodes one component so that it stays one: also what encodeURIComponent leaves but shells and HTML do not.
 * `=` and `+` stay: WebDAV clients compare addresses as text with the one they asked (`/c=HASH+SIZE/`).
 */
export function encodeComponent(component: string): string {
  return encodeUriName(component)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3D', '=')
    .replaceAll('%2B', '+');
}

/** Whether the path of an address holds a token: who has it needs no other. `/c=ID/_/t=x` is a directory called so. */
export function hasToken(path: string): boolean {
  return /^(\/c=[^/]*)?\/t=|^\/collections\/download\//.test(path);
}
