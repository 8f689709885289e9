import { requestChunks } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { userBodies } from '../../streams/body-budgets.ts';
import { joinBytes } from '../../streams/join-bytes.ts';
import { RecordScanner } from '../../streams/json/scanner.ts';
import { largerChunks } from '../../streams/larger-chunks.ts';
import { FormDecoder } from './form-decoder.ts';
import { parseShallowJson, typedParameter } from './parameters.ts';

const MAX_VALUE_BYTES = 1024 * 1024;
/** All parameters beside the record together. */
const MAX_FORM_BYTES = 4 * MAX_VALUE_BYTES;
/** Parsed, a record takes several times its text. */
const PARSED_TIMES = 3;

/** A request's body. */
export interface Body {
  /** Parameters beside the record. */
  parameters: Row;
  /** The record's attributes, without a manifest that was streamed. */
  record: Row;
  /** Whether the record stood under its name; else parameters stand among its attributes. */
  isWrapped: boolean;
  /** Whether a manifest was streamed. */
  hasManifest: boolean;
}

/**
 * Reads a request's body: JSON (a record, wrapped or not, with parameters beside it) or a form whose values are JSON.
 * docs/protocol/collections.md#requests
 */
export class BodyReader {
  readonly #chunks: AsyncIterable<Uint8Array> | null;
  readonly #isForm: boolean;
  readonly #name: string;
  readonly #scanner: RecordScanner;
  readonly #form = new Map<string, unknown>();
  #formBytes = 0;
  readonly #held = userBodies.reserve();
  #heldBytes = 0;

  /** @param name of the record: `collection`, `group`, … */
  constructor(request: Request, name: string) {
    this.#isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers.get('Content-Type') ?? '');
    const chunks = requestChunks(request);
    // Values of a form are kept until they are complete.
    this.#chunks = request.body === null ? null : this.#isForm ? largerChunks(chunks) : chunks;
    this.#name = name;
    this.#scanner = new RecordScanner(name);
  }

  /** The manifest's text as it arrives; at its end the whole body has been read. Call it once, then `result`. */
  async *manifest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#chunks === null) return;
    try {
      if (this.#isForm) {
        yield* this.#readForm(this.#chunks);
        return;
      }
      for await (const chunk of this.#chunks) {
        const kept = this.#scanner.push(chunk);
        this.#hold();
        if (kept !== null && kept.length > 0) yield kept;
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** To be called when the request has been answered: what was read of it is no longer held. */
  release(): void {
    this.#held.release();
  }

  #hold(): void {
    const bytes = PARSED_TIMES * (this.#scanner.heldBytes + this.#formBytes);
    this.#held.require(bytes - this.#heldBytes);
    this.#heldBytes = bytes;
  }

  /** @throws KeepError bad_request for a body that is no object */
  result(): Body {
    const body = this.#scanner.rest();
    if (!isObject(body)) throw new KeepError('bad_request', { message: 'the request body must be a JSON object' });
    return { ...this.#parts(body), hasManifest: this.#scanner.found };
  }

  #parts(body: Row): Omit<Body, 'hasManifest'> {
    if (this.#isForm) return { parameters: Object.fromEntries(this.#form), record: body, isWrapped: true };
    const wrapped = body[this.#name];
    const { [this.#name]: _, ...parameters } = body;
    const record = typeof wrapped === 'string' ? parseObject(wrapped) : wrapped;
    if (isObject(record)) return { parameters, record, isWrapped: true };
    return { parameters, record: parameters, isWrapped: false };
  }

  /** Reads a body that holds no manifest. */
  async read(): Promise<Body> {
    for await (const _ of this.manifest()) {
      // read over
    }
    return this.result();
  }

  async *#readForm(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const decoder = new FormDecoder();
    const values = new Map<string, { chunks: Uint8Array[]; bytes: number }>();
    const scan = (chunks: Iterable<{ name: string; bytes: Uint8Array; last: boolean }>) =>
      this.#takeForm(chunks, values);
    for await (const chunk of chunks) {
      yield* scan(decoder.push(chunk));
      this.#hold();
    }
    yield* scan(decoder.end());
  }

  *#takeForm(
    chunks: Iterable<{ name: string; bytes: Uint8Array; last: boolean }>,
    values: Map<string, { chunks: Uint8Array[]; bytes: number }>,
  ): Generator<Uint8Array, void, undefined> {
    for (const { name, bytes, last } of chunks) {
      if (name === this.#name) {
        const manifest = this.#scanner.push(bytes);
        if (manifest !== null && manifest.length > 0) yield manifest;
        continue;
      }
      const value = values.get(name) ?? { chunks: [], bytes: 0 };
      values.set(name, value);
      value.bytes += bytes.length;
      this.#formBytes += bytes.length;
      if (value.bytes > MAX_VALUE_BYTES || this.#formBytes > MAX_FORM_BYTES)
        throw new KeepError('too_large', {
          message: `a parameter holds at most ${MAX_VALUE_BYTES} bytes, all together ${MAX_FORM_BYTES}`,
        });
      if (bytes.length > 0) value.chunks.push(bytes);
      if (!last) continue;
      this.#form.set(name, typedParameter(name, new TextDecoder().decode(joinBytes(value.chunks, value.bytes))));
      values.delete(name);
    }
  }
}

function parseObject(text: string): unknown {
  try {
    return parseShallowJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new KeepError('bad_request', { message: 'the record is not valid JSON' });
  }
}

function isObject(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
