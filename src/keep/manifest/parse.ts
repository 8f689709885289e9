import { KeepError } from '../errors.ts';
import { type Chunks, NEWLINE, Tokenizer } from './line-tokens.ts';
import { decimal, digitsEnd, locatorSize } from './locator-token.ts';
import { decodeName } from './names.ts';
import { FileNames, type NamedPath, NameProblem, streamDirectory } from './paths.ts';
import type { FilePath, Place } from './places.ts';
import type { ManifestRules } from './rules.ts';

/**
 * Callbacks for the contents of a manifest, in order. Paths start at the collection's root and are decoded (places.ts
 * makes them text); see names.ts for names that are not UTF-8. The same path may come again anywhere: a file is the
 * concatenation of all its segments. The parser does not check whether a path is both a file and a directory.
 */
export interface ManifestHandler {
  /** A line begins. Positions start at 0 again. */
  stream?(directory: Place): void;
  /** A block of the line's data; `locator` with all its hints; `size` in bytes, null if the text does not say. */
  block?(locator: string, size: number | null): void;
  /** A segment of a file: `length` bytes from `position` in the line's data. May be empty. */
  segment?(path: FilePath, position: number, length: number): void;
  /** A marker for a directory. Directories that hold files are not announced. */
  directory?(place: Place): void;
}

const COLON = 0x3a;
const MAX_SHOWN_BYTES = 100;
const SIGNATURE_HINT = /\+[AR][^+]*/g;
const NOT_A_FILE = 'not a file token (position:length:name)';

/**
 * Parses a manifest pushed in chunks. Holds one token at most. Positions and sizes are numbers: values beyond 2^53-1
 * are refused. Throws KeepError of `rules.code` that names line and token, without any signature.
 */
export class ManifestParser {
  readonly #handler: ManifestHandler;
  readonly #rules: ManifestRules;
  readonly #tokens: Tokenizer;
  readonly #names: FileNames;
  #line = 1;
  /** Of the current line: tokens so far, files among them, bytes of its blocks. */
  #count = 0;
  #files = 0;
  #dataBytes = 0;

  constructor(handler: ManifestHandler, rules: ManifestRules) {
    this.#handler = handler;
    this.#rules = rules;
    this.#names = new FileNames(rules);
    this.#tokens = new Tokenizer(
      (bytes, start, end, delimiter) => this.#token(bytes, start, end, delimiter),
      rules.code,
    );
  }

  push(chunk: Uint8Array): void {
    this.#tokens.push(chunk);
  }

  /** To be called after the last chunk: a manifest may not stop in the middle of a line. */
  end(): void {
    if (this.#count > 0 || this.#tokens.rest().length > 0) this.#fail('the last line must end with a newline');
  }

  #token(bytes: Uint8Array, start: number, end: number, delimiter: number): void {
    this.#count++;
    if (start === end) this.#fail('an empty token: no blank lines, and exactly one space between tokens');
    if (this.#count === 1) this.#stream(bytes.slice(start, end));
    else if (!this.#file(bytes, start, end)) this.#block(bytes, start, end);
    if (delimiter !== NEWLINE) return;
    if (this.#files === 0) this.#fail('a line needs a stream name, at least one locator and at least one file');
    this.#line++;
    this.#count = 0;
  }

  #stream(name: Uint8Array): void {
    this.#files = 0;
    this.#dataBytes = 0;
    try {
      const directory = streamDirectory(name, this.#rules);
      this.#names.enter(directory);
      this.#handler.stream?.(directory);
    } catch (error) {
      this.#failNamed(error, name);
    }
  }

  #block(bytes: Uint8Array, start: number, end: number): void {
    const token = bytes.subarray(start, end);
    if (this.#files > 0) this.#fail(NOT_A_FILE, token);
    const size = locatorSize(bytes, start, end, this.#rules);
    if (size === undefined) this.#fail('not a block locator', token);
    this.#dataBytes += size ?? 0;
    if (!Number.isSafeInteger(this.#dataBytes)) this.#fail('the blocks of this line are too many bytes');
    this.#handler.block?.(decodeName(token), size);
  }

  /** False when the token does not begin like a file's, with digits and a colon. */
  #file(bytes: Uint8Array, start: number, end: number): boolean {
    const firstColon = digitsEnd(bytes, start, end);
    if (firstColon === start || firstColon === end || bytes[firstColon] !== COLON) return false;
    const secondColon = digitsEnd(bytes, firstColon + 1, end);
    if (secondColon === firstColon + 1 || secondColon === end || bytes[secondColon] !== COLON) {
      this.#fail(NOT_A_FILE, bytes.subarray(start, end));
    }
    if (this.#count === 2) this.#fail('a line needs at least one locator before its files', bytes.subarray(start, end));
    const position = decimal(bytes, start, firstColon);
    const length = decimal(bytes, firstColon + 1, secondColon);
    const named = this.#resolve(bytes, secondColon + 1, end);
    this.#files++;
    if (named.isDirectory) {
      const documented = length === 0 && (!this.#rules.strictNames || secondColon - start === '0:0'.length);
      if (!documented || position > 0) this.#fail('the name . is only for 0:0:.', bytes.subarray(start, end));
      this.#handler.directory?.(named.directory);
      return true;
    }
    if (!Number.isSafeInteger(position + length))
      this.#fail('position or length is too large', bytes.subarray(start, end));
    if (this.#rules.withinStream && position + length > this.#dataBytes) {
      this.#fail(`the file reaches past the ${this.#dataBytes} bytes of its line`, bytes.subarray(start, end));
    }
    this.#handler.segment?.(named, position, length);
    return true;
  }

  #resolve(bytes: Uint8Array, start: number, end: number): NamedPath {
    try {
      return this.#names.resolve(bytes, start, end);
    } catch (error) {
      return this.#failNamed(error, bytes.subarray(start, end));
    }
  }

  #failNamed(error: unknown, token: Uint8Array): never {
    if (error instanceof NameProblem) this.#fail(error.message, token);
    throw error;
  }

  #fail(problem: string, token?: Uint8Array): never {
    const shown = token === undefined ? '' : `: ${JSON.stringify(showable(token))}`;
    const message = `manifest line ${this.#line}, token ${Math.max(this.#count, 1)}: ${problem}${shown}`;
    throw new KeepError(this.#rules.code, { message });
  }
}

/**
 * Parses a whole manifest and calls `handler` for what it finds.
 * @throws KeepError of `rules.code`; what the handler throws passes through
 */
export async function parseManifest(chunks: Chunks, handler: ManifestHandler, rules: ManifestRules): Promise<void> {
  const parser = new ManifestParser(handler, rules);
  for await (const chunk of chunks) parser.push(chunk);
  parser.end();
}

function showable(token: Uint8Array): string {
  return decodeName(token).replace(SIGNATURE_HINT, '').toWellFormed().slice(0, MAX_SHOWN_BYTES);
}
