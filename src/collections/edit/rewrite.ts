import { KeepError } from '../../keep/errors.ts';
import { EMPTY_LOCATOR } from '../../keep/limits.ts';
import type { Chunks } from '../../keep/manifest/line-tokens.ts';
import { escapeName } from '../../keep/manifest/names.ts';
import { ManifestParser } from '../../keep/manifest/parse.ts';
import { READ_RULES } from '../../keep/manifest/rules.ts';
import { BlockStarts, Intervals, KeptBlocks } from './intervals.ts';
import type { PathMap } from './path-map.ts';
import { type LineWriter, rewriteLines } from './rewrite-lines.ts';
import { parseInTurns } from './survey.ts';

/** Lines that change: for each directory that they end up in, the blocks that files there use. */
export type ChangedLines = Map<number, Map<string, Intervals>>;

/**
 * First pass over a text: which lines change, and which of their blocks are still needed where. Work and memory go with
 * blocks and segments, never with their product.
 * @param onDirectory told of each directory in which something is afterwards
 */
export async function planRewrite(
  text: Chunks,
  map: PathMap,
  onDirectory: (directory: string) => void = () => {},
): Promise<ChangedLines> {
  const changed: ChangedLines = new Map();
  const starts = new BlockStarts();
  let line = -1;
  let groups = new Map<string, Intervals>();
  let isChanged = false;
  let copiedBytes = 0;
  const finish = () => {
    if (line >= 0 && isChanged) changed.set(line, groups);
    groups = new Map();
    isChanged = false;
  };
  const use = (directory: string, position: number, length: number) => {
    let blocks = groups.get(directory);
    if (blocks === undefined) {
      blocks = new Intervals();
      groups.set(directory, blocks);
      onDirectory(directory);
    }
    if (length > 0) blocks.add(starts.at(position), starts.at(position + length - 1));
  };
  await parseInTurns(text, {
    stream() {
      finish();
      line++;
      starts.clear();
    },
    block: (_, size) => starts.add(size ?? 0),
    segment(path, position, length) {
      const { stays, copies } = map.file(path);
      if (!stays || copies.length > 0) isChanged = true;
      if (stays) use(map.text(path.directory), position, length);
      for (const { directory, name } of copies) {
        use(directory, position, length);
        copiedBytes += name.length + TOKEN_BYTES;
      }
      if (copiedBytes > MAX_TEXT_BYTES) throw tooLarge();
    },
    directory(place) {
      const { stays, copies } = map.place(place);
      if (!stays || copies.length > 0) isChanged = true;
      if (stays) use(map.text(place), 0, 0);
      for (const directory of copies) use(directory, 0, 0);
    },
  });
  finish();
  return changed;
}

/**
 * Second pass: lines that don't change as they are, the others anew. `keepsRest` as in the map: of a source of copies only
 * changed lines come out.
 */
export async function* rewriteText(
  text: Chunks,
  map: PathMap,
  changed: ChangedLines,
  keepsRest: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writerOf = (line: number) => {
    const groups = changed.get(line);
    return groups === undefined ? null : new GroupedLine(groups, map);
  };
  yield* rewriteLines(text, writerOf, keepsRest);
}

/** The least that a file takes besides its name: ` 0:0:`. */
const TOKEN_BYTES = 5;
/** More than the largest manifests of the field have. */
export const MAX_TEXT_BYTES = 67_108_864;

export function tooLarge(): KeepError {
  return new KeepError('too_large', { message: `a manifest may have up to ${MAX_TEXT_BYTES} bytes` });
}

const FLUSH_CHARS = 65_536;
const encoder = new TextEncoder();

/** Writes one line anew: a line for each directory that its files are in afterwards, with the blocks they use. */
class GroupedLine implements LineWriter {
  readonly #groups: Map<string, Group>;
  readonly #parser: ManifestParser;
  readonly #starts = new BlockStarts();
  readonly #locators: string[] = [];
  #isBegun = false;

  constructor(groups: Map<string, Intervals>, map: PathMap) {
    this.#groups = new Map([...groups].map(([directory, blocks]) => [directory, new Group(directory, blocks)]));
    const token = (directory: string, name: string, position: number, length: number) => {
      this.#begin();
      this.#groups.get(directory)?.add(name, position, length, this.#starts);
    };
    this.#parser = new ManifestParser(
      {
        block: (locator, size) => {
          this.#starts.add(size ?? 0);
          this.#locators.push(locator);
        },
        segment: (path, position, length) => {
          const { stays, copies } = map.file(path);
          if (stays) token(map.text(path.directory), path.name, position, length);
          for (const { directory, name } of copies) token(directory, name, position, length);
        },
        directory: (place) => {
          const { stays, copies } = map.place(place);
          if (stays) token(map.text(place), '.', 0, 0);
          for (const directory of copies) token(directory, '.', 0, 0);
        },
      },
      READ_RULES,
    );
  }

  push(bytes: Uint8Array): void {
    this.#parser.push(bytes);
  }

  /** What is complete: the first directory's line streams, the others wait for the line's end. */
  *take(): Generator<Uint8Array> {
    const [first] = this.#groups.values();
    if (first !== undefined && first.pendingChars >= FLUSH_CHARS) yield encoder.encode(first.take());
  }

  *end(): Generator<Uint8Array> {
    this.#parser.end();
    this.#begin();
    for (const group of this.#groups.values()) yield encoder.encode(`${group.take()}\n`);
  }

  /** All blocks of the line are known once its first file comes. */
  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    for (const group of this.#groups.values()) group.begin(this.#locators, this.#starts);
  }
}

/** One directory's line in the making. */
class Group {
  readonly #directory: string;
  readonly #blocks: Intervals;
  #kept: KeptBlocks | null = null;
  #parts: string[] = [];
  pendingChars = 0;

  constructor(directory: string, blocks: Intervals) {
    this.#directory = directory;
    this.#blocks = blocks;
  }

  begin(locators: readonly string[], starts: BlockStarts): void {
    this.#append(streamName(this.#directory));
    this.#kept = new KeptBlocks(this.#blocks, starts);
    for (const block of this.#kept.numbers()) this.#append(` ${locators[block]}`);
    if (this.#kept.isEmpty) this.#append(` ${EMPTY_LOCATOR}`);
  }

  add(name: string, position: number, length: number, starts: BlockStarts): void {
    const moved = length === 0 ? 0 : position - (this.#kept?.shiftAt(starts.at(position)) ?? 0);
    this.#append(` ${moved}:${length}:${name === '.' ? '\\056' : escapeName(name)}`);
  }

  take(): string {
    const text = this.#parts.join('');
    this.#parts = [];
    this.pendingChars = 0;
    return text;
  }

  #append(part: string): void {
    this.#parts.push(part);
    this.pendingChars += part.length;
  }
}

/** `.` or `./a/b`, escaped. */
export function streamName(directory: string): string {
  return directory === '' ? '.' : `./${directory.split('/').map(escapeName).join('/')}`;
}
