import { KeepError } from '../../keep/errors.ts';
import { JsonTextDecoder } from './decoder.ts';
import { parseJson } from './parse.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** What a record holds besides its manifest. */
const MAX_REST_BYTES = 4 * 1024 * 1024;
const MAX_KEY_BYTES = 64;
const MAX_DEPTH = 64;
const MANIFEST_KEY = 'manifest_text';

/**
 * Reads a JSON document pushed in chunks and lets one string pass by unbuffered: the `manifest_text` at the top or in
 * the object named `wrapper`. All else is kept, with an empty string in its place, and is small.
 */
export class RecordScanner {
  readonly #wrapper: string;
  #rest = new Uint8Array(4096);
  #restLength = 0;
  /** One entry for each open object or array: the key under which its present member stands, null in an array. */
  #keys: (string | null)[] = [];
  #inString = false;
  #escaped = false;
  #key: number[] | null = null;
  #afterColon = false;
  #manifest: JsonTextDecoder | null = null;
  #found = false;

  constructor(wrapper: string) {
    this.#wrapper = wrapper;
  }

  /** Bytes of the document that are kept. */
  get heldBytes(): number {
    return this.#restLength;
  }

  /** Whether there was a manifest to stream. */
  get found(): boolean {
    return this.#found;
  }

  /** The manifest's bytes in this chunk, decoded; null when there are none. */
  push(chunk: Uint8Array): Uint8Array | null {
    let manifest: Uint8Array | null = null;
    for (let i = 0; i < chunk.length; ) {
      if (this.#manifest === null) {
        this.#step(chunk[i++] as number);
        continue;
      }
      const { text, end, closed } = this.#manifest.push(chunk, i);
      manifest = manifest === null ? text : join(manifest, text);
      i = end;
      if (!closed) continue;
      this.#manifest = null;
      this.#keep(QUOTE);
    }
    return manifest;
  }

  /** The document without the manifest. @throws KeepError bad_request */
  rest(): unknown {
    const text = new TextDecoder().decode(this.#rest.subarray(0, this.#restLength));
    if (this.#manifest !== null) throw malformed();
    if (text.trim() === '') return {};
    try {
      return parseJson(text);
    } catch (error) {
      throw error instanceof SyntaxError ? malformed() : error;
    }
  }

  #step(byte: number): void {
    this.#keep(byte);
    if (this.#inString) {
      this.#stepString(byte);
      return;
    }
    if (byte === QUOTE) {
      if (this.#afterColon && this.#isManifest()) {
        if (this.#found) throw new KeepError('bad_request', { message: 'the record has two manifest_texts' });
        this.#found = true;
        this.#afterColon = false;
        this.#manifest = new JsonTextDecoder();
        return;
      }
      this.#inString = true;
      this.#key = this.#afterColon || this.#keys.at(-1) === null ? null : [];
      this.#afterColon = false;
      return;
    }
    if (byte <= 0x20) return;
    this.#afterColon = byte === COLON;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      if (this.#keys.length === MAX_DEPTH) throw malformed();
      this.#keys.push(byte === OPEN_OBJECT ? '' : null);
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      this.#keys.pop();
    } else if (byte === COMMA && this.#keys.at(-1) !== null && this.#keys.length > 0) {
      this.#keys[this.#keys.length - 1] = '';
    }
  }

  #stepString(byte: number): void {
    if (this.#escaped) {
      this.#escaped = false;
    } else if (byte === BACKSLASH) {
      this.#escaped = true;
      // Not a key that is looked for: those need no escapes.
      this.#key = null;
    } else if (byte === QUOTE) {
      this.#inString = false;
      if (this.#key !== null && this.#keys.length > 0)
        this.#keys[this.#keys.length - 1] = String.fromCharCode(...this.#key);
      this.#key = null;
    } else if (this.#key !== null) {
      if (this.#key.length < MAX_KEY_BYTES) this.#key.push(byte);
    }
  }

  #isManifest(): boolean {
    const [outer, inner] = this.#keys;
    if (this.#keys.length === 1) return outer === MANIFEST_KEY;
    return this.#keys.length === 2 && outer === this.#wrapper && inner === MANIFEST_KEY;
  }

  #keep(byte: number): void {
    if (this.#restLength === this.#rest.length) {
      if (this.#restLength >= MAX_REST_BYTES)
        throw new KeepError('too_large', {
          message: `a record, without its manifest, holds at most ${MAX_REST_BYTES} bytes`,
        });
      const larger = new Uint8Array(2 * this.#rest.length);
      larger.set(this.#rest);
      this.#rest = larger;
    }
    this.#rest[this.#restLength++] = byte;
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function malformed(): KeepError {
  return new KeepError('bad_request', { message: 'the request body is not valid JSON' });
}
