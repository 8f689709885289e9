import { KeepError } from '../keep/errors.ts';
import { targetsOf } from './edit/edit-paths.ts';
import type { Condition, Edit } from './edit/edits.ts';
import type { StagedManifest } from './stage-manifest.ts';

/**
 * The API's `replace_files` as edits (docs/protocol/collections.md#replace-files): files and directories of this collection
 * (`current`), of others by portable data hash, and of a submitted manifest. An empty `manifest_text` counts as none: some clients
 * send it along with every change.
 * @throws KeepError bad_request for invalid paths and sources
 */
export function replacementEdits(replacements: unknown, submitted: StagedManifest | null): Edit[] {
  const entries = checkEntries(replacements);
  const given = submitted === null || submitted.bytes === 0 ? null : submitted;
  if (given !== null && !entries.some(([, source]) => root(source) === 'manifest_text')) {
    throw refused('manifest_text was sent but no entry of replace_files uses it');
  }
  return entries.flatMap(([target, source]): Edit[] => {
    const to = trimmed(target);
    if (source === '') return [{ kind: 'delete', path: to }];
    const from = trimmed(source.slice(root(source).length));
    if (root(source) === 'current') return [{ kind: 'copy', from, to }];
    if (root(source) !== 'manifest_text')
      return [{ kind: 'graft', source: { portableDataHash: root(source) }, from, to }];
    if (given !== null) return [{ kind: 'graft', source: { staged: given }, from, to }];
    if (from !== '') throw refused(`the source of ${target} uses manifest_text, which was not sent`);
    // The root of no manifest: an empty directory takes the place of what is there.
    return [{ kind: 'delete', path: to }, ...(to === '' ? [] : [{ kind: 'mkdir', path: to } as const])];
  });
}

/** Portable data hashes that edits read from: each is a read that the caller must be allowed. */
export function sourcesOf(edits: readonly Edit[]): string[] {
  return [
    ...new Set(
      edits.flatMap((edit) =>
        edit.kind === 'graft' && 'portableDataHash' in edit.source ? edit.source.portableDataHash : [],
      ),
    ),
  ];
}

/** For `must_be_new`: nothing may be where these edits put something. */
export function nothingReplaced(edits: readonly Edit[]): Condition[] {
  return edits.flatMap((edit): Condition[] => {
    if (edit.kind === 'delete') return [];
    const [path = ''] = targetsOf(edit);
    return [{ path, is: ['absent'], otherwise: { code: 'precondition_failed', message: `/${path} is there already` } }];
  });
}

/**
 * For `unchanged_from`: what these edits delete or replace is what is there in that content.
 * @throws KeepError bad_request
 */
export function onlyAsIn(edits: readonly Edit[], portableDataHash: unknown): Condition[] {
  if (portableDataHash === undefined || portableDataHash === null) return [];
  if (typeof portableDataHash !== 'string' || !/^[0-9a-f]{32}\+\d+$/.test(portableDataHash))
    throw refused('unchanged_from is a portable data hash');
  const otherwise = {
    code: 'precondition_failed',
    message: 'what the change takes away was changed meanwhile',
  } as const;
  return [{ paths: edits.flatMap(targetsOf), asIn: portableDataHash, otherwise }];
}

/** Each takes half a KiB while the change is made. */
const MAX_ENTRIES = 100_000;

/** @throws KeepError bad_request */
function checkEntries(replacements: unknown): [string, string][] {
  if (typeof replacements !== 'object' || replacements === null || Array.isArray(replacements))
    throw refused('replace_files must be an object: target path -> source');
  const given = Object.entries(replacements as Record<string, unknown>);
  if (given.length > MAX_ENTRIES) throw refused(`replace_files may have ${MAX_ENTRIES} entries`);
  const entries = given.map(([target, source]): [string, string] => {
    if (!/^\/$|^(\/[^/]+)+$/.test(target) || target.split('/').some((part) => part === '.' || part === '..'))
      throw refused(`${target} is not a proper target path`);
    if (
      typeof source !== 'string' ||
      !(source === '' || /^([0-9a-f]{32}\+\d+|manifest_text|current)(\/.*)?$/s.test(source))
    )
      throw refused(`the source of ${target} is not a proper one`);
    return [target, source];
  });
  const targets: Names = new Map();
  const places = entries.map(([target, source]) => ({ target, source, below: namesAt(targets, parts(target)) }));
  for (const { target, source, below } of places)
    if (source !== '' && below.size > 0) throw refused(`${target} lies above another target`);
  return entries;
}

type Names = Map<string, Names>;

function namesAt(names: Names, path: string[]): Names {
  let at = names;
  for (const name of path) {
    const next = at.get(name) ?? new Map();
    at.set(name, next);
    at = next;
  }
  return at;
}

function root(source: string): string {
  return source.split('/')[0] ?? '';
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function trimmed(path: string): string {
  return parts(path).join('/');
}

function refused(message: string): KeepError {
  return new KeepError('bad_request', { message });
}
