import { decodeName, nameBytes } from './manifest/names.ts';

/** What a DRS id names. It is made of characters that need no encoding in an address, and always means the same bytes. */
export interface DrsId {
  portableDataHash: string;
  /** Below the collection's root; '' is the root itself. */
  path: string;
  /** A bundle: a directory, or the root. */
  isDirectory: boolean;
}

const ID = /^([0-9a-f]{32})-(\d{1,15})(?:\.(.+))?$/s;
const UNRESERVED = /[A-Za-z0-9._-]/;

/** `<md5>-<size>` for a collection, `<md5>-<size>.<path>` in it; `~hh` stands for other bytes, `~2f` ends a directory. */
export function formatDrsId({ portableDataHash, path, isDirectory }: DrsId): string {
  const root = portableDataHash.replace('+', '-');
  if (path === '') return root;
  return `${root}.${encodePath(path)}${isDirectory ? '~2f' : ''}`;
}

/** Null for what is no id of ours. @param text percent-decoded */
export function parseDrsId(text: string): DrsId | null {
  const [, hash, size, encoded] = ID.exec(text) ?? [];
  if (hash === undefined || size === undefined) return null;
  const portableDataHash = `${hash}+${size}`;
  if (encoded === undefined) return { portableDataHash, path: '', isDirectory: true };
  const path = decodePath(encoded);
  if (path === null || path === '' || path.startsWith('/')) return null;
  const isDirectory = path.endsWith('/');
  return { portableDataHash, path: isDirectory ? path.slice(0, -1) : path, isDirectory };
}

/** A file's name in the characters that DRS allows for names. */
export function portableName(name: string): string {
  return encodePath(name);
}

function encodePath(path: string): string {
  let text = '';
  for (const byte of nameBytes(path)) {
    const char = String.fromCharCode(byte);
    text += UNRESERVED.test(char) ? char : `~${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}

function decodePath(text: string): string | null {
  if (!/^(?:[A-Za-z0-9._-]|~[0-9a-f]{2})*$/.test(text)) return null;
  const bytes = text
    .match(/~..|./gs)
    ?.map((part) => (part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16)));
  return decodeName(Uint8Array.from(bytes ?? []));
}
