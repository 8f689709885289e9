import { escapeName } from '../keep/manifest/names.ts';
import type { PlannedBlock } from '../keep/plan-blocks.ts';

/** Where a range of a file lies in a block. */
interface Place {
  block: number;
  at: number;
  length: number;
}

const EMPTY = 'd41d8cd98f00b204e9800998ecf8427e+0';

/** For each file its ranges in the planned blocks, in order. */
export function placesOf(files: number, blocks: readonly PlannedBlock[]): Place[][] {
  const places: Place[][] = Array.from({ length: files }, () => []);
  for (const [block, { parts }] of blocks.entries()) {
    let at = 0;
    for (const { file, length } of parts) {
      places[file]?.push({ block, at, length });
      at += length;
    }
  }
  return places;
}

/** The manifest line of one file. @param path without a slash in front @param locators by block */
export function fileLine(path: string, places: readonly Place[], locators: readonly (string | undefined)[]): string {
  const cut = path.lastIndexOf('/');
  const directory = cut < 0 ? '.' : `./${escapeName(path.slice(0, cut))}`;
  const name = escapeName(path.slice(cut + 1));
  if (places.length === 0) return `${directory} ${EMPTY} 0:0:${name}\n`;
  let begin = 0;
  const tokens: string[] = [];
  const segments: string[] = [];
  for (const { block, at, length } of places) {
    const locator = locators[block];
    if (locator === undefined) throw new Error(`a block of ${path} is missing`);
    tokens.push(locator);
    segments.push(`${begin + at}:${length}:${name}`);
    begin += sizeOf(locator);
  }
  return `${directory} ${tokens.join(' ')} ${segments.join(' ')}\n`;
}

/** Sizes of files by path, and the hashes of the blocks, of a manifest. */
export function readManifest(text: string): { sizes: Map<string, number>; hashes: Set<string> } {
  const sizes = new Map<string, number>();
  const hashes = new Set<string>();
  for (const line of text.split('\n')) {
    const [stream = '', ...tokens] = line.split(' ');
    for (const token of tokens) {
      const segment = /^\d+:(\d+):(.*)$/s.exec(token);
      if (segment === null) {
        hashes.add(token.slice(0, 32));
        continue;
      }
      const path = unescapeName(`${stream}/${segment[2]}`).replace(/^\.\//, '');
      sizes.set(path, (sizes.get(path) ?? 0) + Number(segment[1]));
    }
  }
  return { sizes, hashes };
}

/** Signed locators of a manifest by hash and size. */
export function locatorsOf(text: string): Map<string, string> {
  const found = [...text.matchAll(/\b([0-9a-f]{32}\+\d+)\S*\+A[0-9a-f]+@[0-9a-f]+\S*/g)];
  return new Map(found.map(([locator, name = '']) => [name, locator]));
}

function sizeOf(locator: string): number {
  return Number(locator.split('+')[1]);
}

function unescapeName(text: string): string {
  if (!text.includes('\\')) return text;
  const encoded = new TextEncoder().encode(text);
  const bytes: number[] = [];
  for (let i = 0; i < encoded.length; i++) {
    const octal = String.fromCharCode(...encoded.subarray(i, i + 4));
    if (/^\\[0-3][0-7]{2}$/.test(octal)) {
      bytes.push(Number.parseInt(octal.slice(1), 8));
      i += 3;
    } else bytes.push(encoded[i] ?? 0);
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
