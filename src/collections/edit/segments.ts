import { KeepError } from '../../keep/errors.ts';
import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import { bareLocator } from '../../keep/locator.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { escapeName } from '../../keep/manifest/names.ts';
import { ManifestParser } from '../../keep/manifest/parse.ts';
import { type FilePath, type Place, placeText } from '../../keep/manifest/places.ts';
import { READ_RULES } from '../../keep/manifest/rules.ts';
import type { NewPlace } from './edits.ts';
import { BlockStarts, Intervals, KeptBlocks } from './intervals.ts';
import { streamName } from './rewrite.ts';
import { type LineWriter, rewriteLines } from './rewrite-lines.ts';
import { parseInTurns } from './survey.ts';

/** Says for ranges of blocks where they are afterwards. Locators are bare: `hash+size`. */
export interface SegmentMap {
  /** Whether some range of the block goes elsewhere. */
  concerns(locator: string): boolean;
  /** Null: it stays. */
  find(locator: string, offset: number, length: number): NewPlace | null;
}

/** What a line is made of afterwards. */
interface ChangedLine {
  kept: Intervals;
  /** New blocks, in their order. */
  added: Set<string>;
}

export type ChangedSegments = Map<number, ChangedLine>;

/** Files that span blocks of which some go elsewhere are taken apart: this bounds the work. */
const MAX_RANGES = 2_000_000;

/**
 * First pass over a text: the lines that change.
 * @param onFile told of each file some of whose bytes go elsewhere, perhaps more than once
 * @throws KeepError too_large
 */
export async function planSegments(
  text: Chunks,
  map: SegmentMap,
  onFile: (path: FilePath) => void = () => {},
): Promise<ChangedSegments> {
  const changed: ChangedSegments = new Map();
  const line = new LineBlocks(map);
  let number = -1;
  let current: ChangedLine = { kept: new Intervals(), added: new Set() };
  const finish = () => {
    if (current.added.size > 0) changed.set(number, current);
    current = { kept: new Intervals(), added: new Set() };
    line.clear();
    number++;
  };
  await parseInTurns(text, {
    stream: finish,
    block: (locator, size) => line.add(locator, size ?? 0),
    segment(path, position, length) {
      let isMoved = false;
      line.take(position, length, {
        stays: (from, to) => current.kept.add(from, to),
        moves: ({ locator }) => {
          isMoved = true;
          current.added.add(locator);
        },
      });
      if (isMoved) onFile(path);
    },
  });
  finish();
  return changed;
}

/** Second pass: lines that don't change as they are, the others with the ranges where they are now. */
export async function* rewriteSegments(
  text: Chunks,
  map: SegmentMap,
  changed: ChangedSegments,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writerOf = (number: number) => {
    const line = changed.get(number);
    return line === undefined ? null : new SegmentLine(line, map);
  };
  yield* rewriteLines(text, writerOf, true);
}

const FLUSH_CHARS = 65_536;
const encoder = new TextEncoder();

interface Ranges {
  /** Numbers of blocks of the line, both inclusive; `start` and `end` are positions in its data. */
  stays(first: number, last: number, start: number, end: number): void;
  moves(place: NewPlace, length: number): void;
}

/** The blocks of one line, and which of them the map concerns. */
class LineBlocks {
  readonly #map: SegmentMap;
  readonly starts = new BlockStarts();
  readonly locators: string[] = [];
  /** Numbers of concerned blocks, ascending. */
  #concerned: number[] = [];
  #ranges = 0;

  constructor(map: SegmentMap) {
    this.#map = map;
  }

  clear(): void {
    this.starts.clear();
    this.locators.length = 0;
    this.#concerned = [];
  }

  add(locator: string, size: number): void {
    if (size > 0 && this.#map.concerns(bareLocator(locator))) this.#concerned.push(this.locators.length);
    this.starts.add(size);
    this.locators.push(locator);
  }

  /** A range of the line's data, in order: what stays, and each part that goes elsewhere. */
  take(position: number, length: number, ranges: Ranges): void {
    if (length === 0) return;
    const end = position + length;
    const last = this.starts.at(end - 1);
    let at = position;
    for (let i = this.#firstFrom(this.starts.at(position)); i < this.#concerned.length; i++) {
      const block = this.#concerned[i] ?? 0;
      if (block > last) break;
      if (++this.#ranges > MAX_RANGES)
        throw new KeepError('too_large', { message: 'the files of the collection are made of too many segments' });
      const [from, to] = [
        Math.max(position, this.starts.startOf(block)),
        Math.min(end, this.starts.startOf(block + 1)),
      ];
      const place = this.#map.find(
        bareLocator(this.locators[block] ?? ''),
        from - this.starts.startOf(block),
        to - from,
      );
      if (place === null) continue;
      if (from > at) ranges.stays(this.starts.at(at), this.starts.at(from - 1), at, from);
      ranges.moves(place, to - from);
      at = to;
    }
    if (end > at) ranges.stays(this.starts.at(at), last, at, end);
  }

  #firstFrom(block: number): number {
    let [low, high] = [0, this.#concerned.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#concerned[middle] ?? 0) < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Writes one line anew. */
class SegmentLine implements LineWriter {
  readonly #line: ChangedLine;
  readonly #blocks: LineBlocks;
  readonly #parser: ManifestParser;
  readonly #added = new Map<string, number>();
  #kept: KeptBlocks | null = null;
  #directory: Place | null = null;
  #isBegun = false;
  #parts: string[] = [];
  #chars = 0;

  constructor(line: ChangedLine, map: SegmentMap) {
    this.#line = line;
    this.#blocks = new LineBlocks(map);
    this.#parser = new ManifestParser(
      {
        stream: (directory) => {
          this.#directory = directory;
        },
        block: (locator, size) => this.#blocks.add(locator, size ?? 0),
        segment: ({ name, directory }, position, length) => this.#segment(directory, name, position, length),
        directory: (place) => {
          this.#begin();
          this.#append(` 0:0:${[...namesBelow(place, this.#directory), '\\056'].join('/')}`);
        },
      },
      READ_RULES,
    );
  }

  push(bytes: Uint8Array): void {
    this.#parser.push(bytes);
  }

  *take(): Generator<Uint8Array> {
    if (this.#chars >= FLUSH_CHARS) yield* this.#flush();
  }

  *#flush(): Generator<Uint8Array> {
    yield encoder.encode(this.#parts.join(''));
    this.#parts = [];
    this.#chars = 0;
  }

  *end(): Generator<Uint8Array> {
    this.#parser.end();
    this.#begin();
    this.#append('\n');
    yield* this.#flush();
  }

  #segment(directory: Place, name: string, position: number, length: number): void {
    this.#begin();
    const path = [...namesBelow(directory, this.#directory), escapeName(name)].join('/');
    if (length === 0) {
      this.#append(` 0:0:${path}`);
      return;
    }
    let start = -1;
    let end = -1;
    const add = (from: number, size: number) => {
      if (from !== end) {
        if (end > start) this.#append(` ${start}:${end - start}:${path}`);
        start = from;
      }
      end = from + size;
    };
    this.#blocks.take(position, length, {
      stays: (_first, _last, from, to) => this.#addKept(from, to, add),
      moves: ({ locator, offset }, size) => add((this.#added.get(locator) ?? 0) + offset, size),
    });
    this.#append(` ${start}:${end - start}:${path}`);
  }

  /** Blocks that are no longer needed may lie between ranges of kept ones, but never within what stays. */
  #addKept(from: number, to: number, add: (from: number, size: number) => void): void {
    add(from - (this.#kept?.shiftAt(this.#blocks.starts.at(from)) ?? 0), to - from);
  }

  /** All blocks of the line are known once its first file comes. */
  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    const { starts, locators } = this.#blocks;
    this.#append(streamName(this.#directory === null ? '' : placeText(this.#directory)));
    this.#kept = new KeptBlocks(this.#line.kept, starts);
    for (const block of this.#kept.numbers()) this.#append(` ${locators[block]}`);
    let { end } = this.#kept;
    for (const locator of this.#line.added) {
      this.#added.set(locator, end);
      end += Number(locator.split('+')[1]);
      this.#append(` ${locator}`);
    }
    if (this.#kept.isEmpty && this.#line.added.size === 0) this.#append(` ${EMPTY_LOCATOR}`);
  }

  #append(part: string): void {
    this.#parts.push(part);
    this.#chars += part.length;
  }
}

/** Escaped names on the way from a line's directory to one below it. */
function namesBelow(directory: Place, line: Place | null): string[] {
  const names: string[] = [];
  for (let at: Place | null = directory; at !== null && at !== line && at.parent !== null; at = at.parent)
    names.push(escapeName(at.name));
  return names.reverse();
}
