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
 * blocks and segments, never with their product: what copies would multiply into too long a text is refused here.
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
  const count = (bytes: number) => {
    copiedBytes += bytes;
    if (copiedBytes > MAX_TEXT_BYTES) throw tooLarge();
  };
  const finish = () => {
    if (line >= 0 && isChanged) {
      changed.set(line, groups);
      // A line is held until it is written: each directory takes its blocks along.
      for (const blocks of groups.values()) count(blocks.count() * LOCATOR_BYTES);
    }
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
        count(name.length + TOKEN_BYTES);
      }
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
/** The least that a block takes: a blank, 32 digits, `+0`. */
const LOCATOR_BYTES = 35;
/** More than the largest manifests of the field have. */
export const MAX_TEXT_BYTES = 67_108_864;

export function tooLarge(): KeepError {
  return new KeepError('too_large', { message: `a manifest may have up to ${MAX_TEXT_BYTES} bytes` });
}

const FLUSH_CHARS = 65_536;
/** Tokens that are put together: as texts of their own they take several times their length. */
const JOINED_PARTS = 256;
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
    if (first !== undefined && first.pendingBytes >= FLUSH_CHARS) yield* first.take(this.#locators);
  }

  *end(): Generator<Uint8Array> {
    this.#parser.end();
    this.#begin();
    for (const group of this.#groups.values()) {
      yield* group.take(this.#locators);
      yield NEWLINE;
    }
  }

  /** All blocks of the line are known once its first file comes. */
  #begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    for (const group of this.#groups.values()) group.begin(this.#starts);
  }
}

const NEWLINE = encoder.encode('\n');

/** One directory's line in the making. */
class Group {
  readonly #directory: string;
  readonly #blocks: Intervals;
  #kept: KeptBlocks | null = null;
  #isBegun = false;
  /** Tokens, and before them those that were put together. */
  #parts: string[] = [];
  #joined: Uint8Array[] = [];
  pendingBytes = 0;

  constructor(directory: string, blocks: Intervals) {
    this.#directory = directory;
    this.#blocks = blocks;
  }

  begin(starts: BlockStarts): void {
    this.#kept = new KeptBlocks(this.#blocks, starts);
  }

  add(name: string, position: number, length: number, starts: BlockStarts): void {
    const moved = length === 0 ? 0 : position - (this.#kept?.shiftAt(starts.at(position)) ?? 0);
    const count = this.#parts.push(` ${moved}:${length}:${name === '.' ? '\\056' : escapeName(name)}`);
    if (count >= JOINED_PARTS) this.#join();
  }

  /** What there is of the line. The blocks are written out only here: many directories may share them. */
  *take(locators: readonly string[]): Generator<Uint8Array> {
    if (!this.#isBegun) {
      this.#isBegun = true;
      yield* this.#head(locators);
    }
    this.#join();
    yield* this.#joined;
    this.#joined = [];
    this.pendingBytes = 0;
  }

  *#head(locators: readonly string[]): Generator<Uint8Array> {
    let text = streamName(this.#directory);
    for (const block of this.#kept?.numbers() ?? []) {
      text += ` ${locators[block]}`;
      if (text.length < FLUSH_CHARS) continue;
      yield encoder.encode(text);
      text = '';
    }
    yield encoder.encode(this.#kept?.isEmpty === false ? text : `${text} ${EMPTY_LOCATOR}`);
  }

  #join(): void {
    if (this.#parts.length === 0) return;
    const bytes = encoder.encode(this.#parts.join(''));
    this.#parts = [];
    this.#joined.push(bytes);
    this.pendingBytes += bytes.byteLength;
  }
}

/** `.` or `./a/b`, escaped. */
export function streamName(directory: string): string {
  return directory === '' ? '.' : `./${directory.split('/').map(escapeName).join('/')}`;
}
