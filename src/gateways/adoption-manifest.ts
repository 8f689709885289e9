import { EMPTY_LOCATOR } from '../keep/limits.ts';
import { compareNames, escapeName } from '../keep/manifest/names.ts';
import { type AdoptedRow, type AdoptionRows, blocksIn, directoryBytes } from './adoption-rows.ts';
import { besideDirectory } from './object-path.ts';

const PAGE = 500;
const CHUNK_CHARS = 65_536;
/** Blocks of one directory that are remembered, so that its line names each once. */
const MAX_REMEMBERED = 200_000;

/**
 * The normalised manifest of all that is adopted, in chunks. A directory is gone through twice, for its blocks and then for its
 * files, so that what is held does not grow with it. (A directory of very many blocks may name one more than once.)
 * @param hint such as `+K@xxxxx-bi6l4-…`; '' for none
 */
export function* adoptionManifest(rows: AdoptionRows, generation: number, hint: string): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '';
  for (const part of parts(rows, generation, hint)) {
    text += part;
    if (text.length < CHUNK_CHARS) continue;
    yield encoder.encode(text);
    text = '';
  }
  if (text !== '') yield encoder.encode(text);
}

function* parts(rows: AdoptionRows, generation: number, hint: string): Generator<string> {
  for (let directory = rows.nextDirectory(null); directory !== null; directory = rows.nextDirectory(directory)) {
    const path = componentsOf(directory);
    const name = ['.', ...path].map(escapeName).join('/');
    const [first] = filesOf(rows, generation, directory);
    if (first === undefined) {
      if (path.length > 0 && hasMarker(rows, generation, directory) && !rows.isDirectory(directory, true))
        yield `${name} ${EMPTY_LOCATOR} 0:0:\\056\n`;
      continue;
    }
    yield name;
    yield* blocksOf(filesOf(rows, generation, directory), hint);
    yield* fileTokens(filesOf(rows, generation, directory));
    yield '\n';
  }
}

function hasMarker(rows: AdoptionRows, generation: number, directory: ArrayBuffer): boolean {
  return rows.page(generation, null, 1, directory)[0]?.name === '';
}

interface AdoptedFile {
  name: string;
  row: AdoptedRow;
}

/** The files of one directory by name. One name, one file: the first object has it. */
function* filesOf(rows: AdoptionRows, generation: number, directory: ArrayBuffer): Generator<AdoptedFile> {
  let lastName: string | null = null;
  for (const file of renamed(rows, generation, directory)) {
    if (file.name !== lastName) yield file;
    lastName = file.name;
  }
}

/** A file that has the name of a directory gets an ending, and so another place in the order. */
function* renamed(rows: AdoptionRows, generation: number, directory: ArrayBuffer): Generator<AdoptedFile> {
  const path = componentsOf(directory);
  const late: AdoptedFile[] = [];
  for (const row of rowsOf(rows, generation, directory)) {
    if (rows.isDirectory(directoryBytes([...path, row.name]))) {
      late.push({ name: besideDirectory(row.name), row });
      late.sort((a, b) => compareNames(a.name, b.name));
      continue;
    }
    while (late[0] !== undefined && compareNames(late[0].name, row.name) <= 0) yield* late.splice(0, 1);
    yield { name: row.name, row };
  }
  yield* late;
}

function* rowsOf(rows: AdoptionRows, generation: number, directory: ArrayBuffer): Generator<AdoptedRow> {
  let last: AdoptedRow | null = null;
  for (;;) {
    const page: AdoptedRow[] = rows.page(generation, last, PAGE, directory);
    yield* page.filter(({ name }) => name !== '');
    last = page.at(-1) ?? null;
    if (page.length < PAGE) return;
  }
}

/** Gives each block its position in the line: the same ones, however often the files are gone through. */
function createPositions() {
  const known = new Map<string, number>();
  let end = 0;
  return {
    /** @returns where the block starts, and whether it is named for the first time */
    take(hash: string, size: number): { position: number; isNew: boolean } {
      const at = known.get(hash);
      if (at !== undefined) return { position: at, isNew: false };
      const position = end;
      end += size;
      if (known.size < MAX_REMEMBERED) known.set(hash, position);
      return { position, isNew: true };
    },
  };
}

function* blocksOf(files: Iterable<AdoptedFile>, hint: string): Generator<string> {
  const positions = createPositions();
  let isEmpty = true;
  for (const { row } of files) {
    for (const [hash, size] of blocksIn(row)) {
      if (!positions.take(hash, size).isNew) continue;
      isEmpty = false;
      yield ` ${hash}+${size}${hint}`;
    }
  }
  if (isEmpty) yield ` ${EMPTY_LOCATOR}`;
}

function* fileTokens(files: Iterable<AdoptedFile>): Generator<string> {
  const positions = createPositions();
  for (const { name, row } of files) {
    const written = escapeName(name);
    if (row.size === 0) yield ` 0:0:${written}`;
    let start = 0;
    let length = 0;
    for (const [hash, size] of blocksIn(row)) {
      const { position } = positions.take(hash, size);
      if (length > 0 && position === start + length) {
        length += size;
        continue;
      }
      if (length > 0) yield ` ${start}:${length}:${written}`;
      start = position;
      length = size;
    }
    if (length > 0) yield ` ${start}:${length}:${written}`;
  }
}

function componentsOf(directory: ArrayBuffer): string[] {
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(directory);
  return text === '' ? [] : text.split('\0');
}
