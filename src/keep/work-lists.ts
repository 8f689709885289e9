import Tokenizer from '@streamparser/json/tokenizer.js';
import TokenParser from '@streamparser/json/tokenparser.js';
import TokenType from '@streamparser/json/utils/types/tokenType.js';
import { KeepError } from './errors.ts';

/** A block to fetch from another server. */
export interface PullItem {
  /** As sent: it may be no locator, which is found out when its turn comes. */
  locator: string;
  /** Base URLs, in the order given. */
  servers: string[];
  /** Destination; '' leaves the choice to the service. */
  mountUuid: string;
}

/** A block to trash if its stored time is still this one. */
export interface TrashItem {
  locator: string;
  /** Nanoseconds since 1970, exact: a JavaScript number would lose digits. */
  blockMtime: bigint;
  /** '' stands for every mount that may trash. */
  mountUuid: string;
}

const INTEGER = /^-?[0-9]{1,19}$/;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
/** Greatest size of one entry; keep-balance's have a few hundred bytes. */
const MAX_ENTRY_BYTES = 1_048_576;

/**
 * Reads the body of `PUT /pull` as it arrives: a JSON array, or `null` for an empty list.
 * Unknown keys are ignored, as is everything after the array; absent and null values are empty. Only the shape is
 * checked: an entry whose locator is malformed must not keep the others from being worked on.
 * @throws KeepError invalid_list, after the items before the faulty entry: nothing of the list may be used then
 */
export function readPullList(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<PullItem, void, undefined> {
  return readList(chunks, (entry) => ({
    locator: textOf(entry, 'locator'),
    servers: textsOf(entry, 'servers'),
    mountUuid: textOf(entry, 'mount_uuid'),
  }));
}

/** Reads the body of `PUT /trash`, like readPullList. */
export function readTrashList(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TrashItem, void, undefined> {
  return readList(chunks, (entry) => ({
    locator: textOf(entry, 'locator'),
    blockMtime: int64Of(entry, 'block_mtime'),
    mountUuid: textOf(entry, 'mount_uuid'),
  }));
}

type Entry = Record<string, unknown>;

/** Says what is wrong with an entry; readList adds which one. */
class WrongEntry extends Error {}

/** Integers become bigints, so that no digit is lost. */
class ExactTokenizer extends Tokenizer {
  protected override parseNumber(text: string): number {
    // The library passes numbers on without looking at them; its type for them is narrower than what it can carry.
    return (INTEGER.test(text) ? BigInt(text) : Number(text)) as number;
  }
}

/** Parses a JSON array incrementally: emits its elements one by one, and holds one at most. */
class ListParser {
  readonly #tokens = new ExactTokenizer();
  readonly #values = new TokenParser({ paths: ['$.*'], keepStack: false });
  #begun = false;
  #complete = false;

  constructor(onEntry: (value: unknown) => void) {
    this.#values.onValue = ({ value }) => onEntry(value);
    this.#tokens.onToken = (token) => {
      if (!this.#begun && token.token !== TokenType.LEFT_BRACKET && token.token !== TokenType.NULL) {
        throw new SyntaxError('neither an array nor null');
      }
      this.#begun = true;
      this.#values.write(token);
      this.#complete = this.#values.isEnded;
    };
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  write(chunk: Uint8Array): void {
    try {
      this.#tokens.write(chunk);
    } catch (error) {
      // Whatever follows the array is ignored: it need not be JSON.
      if (!this.#complete) throw error;
    }
  }

  end(): void {
    this.#tokens.end();
    if (!this.#complete) throw new SyntaxError('broken off');
  }
}

async function* readList<Item>(
  chunks: AsyncIterable<Uint8Array>,
  toItem: (entry: Entry) => Item,
): AsyncGenerator<Item, void, undefined> {
  let entries = 0;
  let items: Item[] = [];
  let bytesWithoutEntry = 0;
  const parser = new ListParser((value) => {
    entries++;
    items.push(toItem(entryOf(value)));
  });
  const parse = (step: () => void) => {
    try {
      step();
    } catch (cause) {
      const problem = cause instanceof WrongEntry ? `entry ${entries} of the list: ${cause.message}` : null;
      const message = problem ?? `the list is not a JSON array: wrong after ${entries} whole entries`;
      throw new KeepError('invalid_list', { message, cause });
    }
  };
  for await (const chunk of chunks) {
    parse(() => parser.write(chunk));
    bytesWithoutEntry = items.length > 0 ? 0 : bytesWithoutEntry + chunk.length;
    yield* items;
    items = [];
    if (parser.isComplete) return;
    if (bytesWithoutEntry > MAX_ENTRY_BYTES) {
      throw new KeepError('invalid_list', { message: `entry ${entries + 1} of the list is too long` });
    }
  }
  parse(() => parser.end());
}

function entryOf(value: unknown): Entry {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new WrongEntry('must be an object');
  return value as Entry;
}

function textOf(entry: Entry, key: string): string {
  const value = entry[key] ?? '';
  if (typeof value !== 'string') throw new WrongEntry(`${key} must be a string`);
  return value;
}

function textsOf(entry: Entry, key: string): string[] {
  const value = entry[key] ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw new WrongEntry(`${key} must be an array of strings`);
  }
  return value;
}

function int64Of(entry: Entry, key: string): bigint {
  const value = entry[key] ?? 0n;
  if (typeof value !== 'bigint' || value > INT64_MAX || value < INT64_MIN) {
    throw new WrongEntry(`${key} must be an integer of at most 64 bits, without fraction or exponent`);
  }
  return value;
}
