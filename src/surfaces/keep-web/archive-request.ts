import { type FileTree, filesBelow, findNode, nodeName, nodePath, ROOT_NODE } from '../../collections/file-tree.ts';
import { KeepError } from '../../keep/errors.ts';
import { decodeUriName } from '../../keep/manifest/uri-names.ts';
import type { RequestFields } from './request-fields.ts';
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
  return {
    files: [...files, ...encoded],
    filename: typeof json.download_filename === 'string' ? json.download_filename : fields.get('download_filename'),
    metadata: json.include_collection_metadata === true || (fields.get('include_collection_metadata') ?? '') !== '',
  };
}

/** A file of an archive and what it is called there. */
export interface ChosenFile {
  node: number;
  name: string;
}

/**
 * The chosen files below a directory, in the tree's order, each once.
 * @throws KeepError not_found for a path that is not there
 */
export function chooseFiles(tree: FileTree, directory: number, files: string[]): ChosenFile[] {
  const chosen = new Set(files.map((path) => chosenNode(tree, directory, path)));
  const above = directory === ROOT_NODE ? ROOT_NODE : (tree.parents[directory] ?? ROOT_NODE);
  const placeOf = createPlaces(tree, above, chosen);
  const result: ChosenFile[] = [];
  for (const node of filesBelow(tree, directory)) {
    const { path, isChosen } = placeOf(tree.parents[node] ?? ROOT_NODE);
    if (chosen.size > 0 && !isChosen && !chosen.has(node)) continue;
    const name = nodeName(tree, node);
    result.push({ node, name: path === '' ? name : `${path}/${name}` });
  }
  return result;
}

/** What is the same for all files of a directory. */
interface Place {
  path: string;
  /** Whether it, or a directory above it, was chosen. */
  isChosen: boolean;
}

/** Each directory is computed once, however deep it is and however many files it has. */
function createPlaces(tree: FileTree, above: number, chosen: Set<number>): (directory: number) => Place {
  const places = new Map<number, Place>([[above, { path: '', isChosen: chosen.has(above) }]]);
  const top = { path: '', isChosen: false };
  return (directory) => {
    const missing: number[] = [];
    for (let at = directory; !places.has(at); at = tree.parents[at] ?? ROOT_NODE) missing.push(at);
    for (const at of missing.reverse()) {
      const parent = places.get(tree.parents[at] ?? ROOT_NODE) ?? top;
      const name = nodeName(tree, at);
      const path = parent.path === '' ? name : `${parent.path}/${name}`;
      places.set(at, { path, isChosen: parent.isChosen || chosen.has(at) });
    }
    return places.get(directory) ?? top;
  };
}

function chosenNode(tree: FileTree, directory: number, path: string): number {
  if (path === '/') return directory;
  const base = nodePath(tree, directory);
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  const find = (name: string) => (name === '' ? null : findNode(tree, base === '' ? name : `${base}/${name}`));
  // Forms of a browser send every newline as two characters.
  const node = find(trimmed) ?? find(trimmed.replaceAll('\r\n', '\n'));
  if (node === null) throw new KeepError('not_found', { message: `${JSON.stringify(path)}: file does not exist` });
  return node;
}

/** The file name offered for saving. */
export function archiveName(target: TreeTarget, request: ArchiveRequest, files: ChosenFile[]): string {
  const { collection, tree, node } = target;
  const given = request.filename;
  if (given !== null && given !== '') return /\.zip$/i.test(given) ? given : `${given}.zip`;
  const name = collection.uuid === null || collection.name === '' ? null : collection.name;
  const base = name ?? collection.uuid ?? collection.portableDataHash;
  const below = node === ROOT_NODE ? base : `${base} - ${nodeName(tree, node)}`;
  const [only] = files;
  const [path] = request.files;
  if (request.files.length === 0 || path === '/') return `${below}.zip`;
  // A directory is not named even if it holds just one file: the archive is of what is in it.
  const isFile = only !== undefined && path !== undefined && chosenNode(tree, node, path) === only.node;
  if (request.files.length === 1 && files.length === 1 && isFile) {
    return `${below} - ${nodeName(tree, only.node)}.zip`;
  }
  return `${below} - ${files.length} files.zip`;
}
