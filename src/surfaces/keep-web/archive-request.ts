import { type FileTree, filesBelow, findNode, isDirectory, nodeName, ROOT_NODE } from '../../collections/file-tree.ts';
import { KeepError } from '../../keep/errors.ts';
import { decodeUriName } from '../../keep/manifest/uri-names.ts';
import { takeTurns } from '../../streams/turns.ts';
import { type RequestFields, requireFewFields } from './request-fields.ts';
import type { TreeTarget } from './target.ts';

/** What a client asks for (docs/protocol/files.md#archives). */
export interface ArchiveRequest {
  /** Paths from the directory that was asked; empty means everything. */
  files: string[];
  /** The client's own name for the archive. */
  filename: string | null;
  /** Put `collection.json` in front. */
  metadata: boolean;
}

/** Whether a ZIP archive is asked for: by a lone Accept, or by a field where saving is in force. */
export function wantsArchive(headers: Headers, fields: RequestFields, attachment: boolean): boolean {
  const accept = attachment ? (fields.get('accept') ?? headers.get('Accept')) : headers.get('Accept');
  return accept !== null && /^\s*application\/zip\s*(;[^,]*)?$/i.test(accept);
}

export function readArchiveRequest(fields: RequestFields): ArchiveRequest {
  const { json } = fields;
  // Paths that are not UTF-8, percent-encoded, because neither forms nor JSON of most programs can hold them.
  const encoded = fields.getAll('encoded_files').map(decodeUriName);
  if (fields.has('files') || json === null) {
    return {
      files: [...fields.getAll('files'), ...encoded],
      filename: fields.get('download_filename'),
      metadata: (fields.get('include_collection_metadata') ?? '') !== '',
    };
  }
  const files = json.files ?? [];
  if (!Array.isArray(files) || !files.every((file) => typeof file === 'string')) {
    throw new KeepError('bad_request', { message: 'files: write a list of paths' });
  }
  requireFewFields(files.length);
  return {
    files: [...files, ...encoded],
    filename: typeof json.download_filename === 'string' ? json.download_filename : fields.get('download_filename'),
    metadata: json.include_collection_metadata === true || (fields.get('include_collection_metadata') ?? '') !== '',
  };
}

/** Files of an archive. */
export interface ChosenFiles {
  /** In the tree's order, each once: four bytes a file, because there may be a million. */
  nodes: Uint32Array;
  /** The files and directories that were named, ascending; none when everything was asked for. */
  chosen: number[];
}

const FILES_PER_TURN = 20_000;
const PATHS_PER_TURN = 500;

/**
 * The chosen files below a directory.
 * @throws KeepError not_found for a path that is not there
 */
export async function chooseFiles(tree: FileTree, directory: number, files: string[]): Promise<ChosenFiles> {
  const chosen = new Set<number>();
  const turnOfPaths = takeTurns(PATHS_PER_TURN);
  for (const path of files) {
    chosen.add(chosenNode(tree, directory, path));
    const wait = turnOfPaths();
    if (wait !== undefined) await wait;
  }
  const isBelowChosen = createSelection(tree, directory, chosen);
  const nodes = new Uint32Array(tree.fileCounts[directory] ?? 0);
  const turn = takeTurns(FILES_PER_TURN);
  let count = 0;
  for (const node of filesBelow(tree, directory)) {
    if (chosen.size === 0 || chosen.has(node) || isBelowChosen(tree.parents[node] ?? ROOT_NODE)) nodes[count++] = node;
    const wait = turn();
    if (wait !== undefined) await wait;
  }
  return {
    nodes: count === nodes.length ? nodes : nodes.slice(0, count),
    chosen: [...chosen].sort((a, b) => a - b),
  };
}

/** Whether a directory, or one above it, was chosen. Each directory is computed once, however deep it is. */
function createSelection(tree: FileTree, top: number, chosen: Set<number>): (directory: number) => boolean {
  const known = new Map<number, boolean>([[top, chosen.has(top)]]);
  return (directory) => {
    const missing: number[] = [];
    for (let at = directory; !known.has(at); at = tree.parents[at] ?? ROOT_NODE) missing.push(at);
    for (const at of missing.reverse())
      known.set(at, chosen.has(at) || known.get(tree.parents[at] ?? ROOT_NODE) === true);
    return known.get(directory) ?? false;
  };
}

function chosenNode(tree: FileTree, directory: number, path: string): number {
  if (path === '/') return directory;
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  const find = (name: string) => (name === '' ? null : findNode(tree, name, directory));
  // Forms of a browser send every newline as two characters.
  const node = find(trimmed) ?? (trimmed.includes('\r\n') ? find(trimmed.replaceAll('\r\n', '\n')) : null);
  if (node === null) throw new KeepError('not_found', { message: `${JSON.stringify(path)}: file does not exist` });
  return node;
}

/** The file name offered for saving. */
export function archiveName(target: TreeTarget, request: ArchiveRequest, { nodes, chosen }: ChosenFiles): string {
  const { collection, tree, node } = target;
  const given = request.filename;
  if (given !== null && given !== '') return /\.zip$/i.test(given) ? given : `${given}.zip`;
  const name = collection.uuid === null || collection.name === '' ? null : collection.name;
  const base = name ?? collection.uuid ?? collection.portableDataHash;
  const below = node === ROOT_NODE ? base : `${base} - ${nodeName(tree, node)}`;
  const [only] = chosen;
  if (only === undefined || chosen.includes(node)) return `${below}.zip`;
  // A directory is not named, even if it holds just one file: the archive is of what is in it.
  if (chosen.length === 1 && !isDirectory(tree, only)) return `${below} - ${nodeName(tree, only)}.zip`;
  return `${below} - ${nodes.length} files.zip`;
}
