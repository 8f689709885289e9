import { S3Error } from './errors.ts';

/** A browser's form that uploads a file: what follows the file does not count, as on AWS. */
export interface Form {
  /** Lower-case names. */
  fields: Map<string, string>;
  filename: string;
  /** Content-Type of the file's part; '' where it has none. */
  fileType: string;
  /** The file's bytes, as they come. */
  content: AsyncGenerator<Uint8Array>;
}

const MAX_FIELDS_BYTES = 64 * 1024;
const CR = 0x0d;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Reads the fields of a multipart/form-data body up to its file.
 * @throws S3Error MalformedPOSTRequest, InvalidArgument where there is no file
 */
export async function readForm(body: ReadableStream<Uint8Array> | null, contentType: string): Promise<Form> {
  const boundary = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  if (body === null || boundary === null) throw new S3Error('MalformedPOSTRequest');
  const delimiter = encoder.encode(`\r\n--${boundary[1] ?? boundary[2]}`);
  const window = createWindow(body);
  // The first delimiter has no line before it.
  window.prepend(encoder.encode('\r\n'));
  await skipPast(window, delimiter);
  const fields = new Map<string, string>();
  for (let left = MAX_FIELDS_BYTES; ; ) {
    const rest = await takeTo(window, encoder.encode('\r\n'), MAX_FIELDS_BYTES);
    if (decoder.decode(rest).startsWith('--'))
      throw new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.');
    const head = headersOf(decoder.decode(await takeHead(window)));
    const disposition = head.get('content-disposition') ?? '';
    const name = parameterOf(disposition, 'name')?.toLowerCase();
    if (name === undefined) throw new S3Error('MalformedPOSTRequest');
    if (name === 'file') {
      const filename = (parameterOf(disposition, 'filename') ?? '').replace(/^.*[/\\]/s, '');
      return { fields, filename, fileType: head.get('content-type') ?? '', content: upTo(window, delimiter) };
    }
    const value = await takeTo(window, delimiter, left);
    left -= value.length + name.length;
    if (left <= 0) throw new S3Error('MalformedPOSTRequest', 'the fields before the file are too large');
    fields.set(name, decoder.decode(value));
  }
}

interface Window {
  bytes: Uint8Array;
  /** Reads more behind what is there; false at the end of the body. */
  more(): Promise<boolean>;
  drop(count: number): void;
  prepend(bytes: Uint8Array): void;
  cancel(): Promise<void>;
}

function createWindow(body: ReadableStream<Uint8Array>): Window {
  const reader = body.getReader();
  const window: Window = {
    bytes: new Uint8Array(),
    async more() {
      const { value, done } = await reader.read();
      if (done) return false;
      window.bytes = joined(window.bytes, value);
      return true;
    },
    drop(count) {
      window.bytes = window.bytes.subarray(count);
    },
    prepend(bytes) {
      window.bytes = joined(bytes, window.bytes);
    },
    async cancel() {
      await reader.cancel().catch(() => undefined);
    },
  };
  return window;
}

/** Bytes before `end`, which is taken as well. */
async function takeTo(window: Window, end: Uint8Array, limit: number): Promise<Uint8Array> {
  for (;;) {
    const at = find(window.bytes, end);
    if (at >= 0) {
      const taken = window.bytes.slice(0, at);
      window.drop(at + end.length);
      return taken;
    }
    if (window.bytes.length > limit + end.length || !(await window.more())) throw new S3Error('MalformedPOSTRequest');
  }
}

async function skipPast(window: Window, delimiter: Uint8Array): Promise<void> {
  await takeTo(window, delimiter, MAX_FIELDS_BYTES);
}

/** The headers of a part: there is at least one line. */
function takeHead(window: Window): Promise<Uint8Array> {
  return takeTo(window, encoder.encode('\r\n\r\n'), MAX_FIELDS_BYTES);
}

async function* upTo(window: Window, delimiter: Uint8Array): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const at = find(window.bytes, delimiter);
      if (at >= 0) {
        yield window.bytes.slice(0, at);
        return;
      }
      // What may be the beginning of the delimiter stays.
      const sure = Math.max(0, window.bytes.length - delimiter.length + 1);
      if (sure > 0) {
        yield window.bytes.slice(0, sure);
        window.drop(sure);
      }
      if (!(await window.more())) throw new S3Error('IncompleteBody');
    }
  } finally {
    await window.cancel();
  }
}

function headersOf(text: string): Map<string, string> {
  return new Map(
    text.split('\r\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, Math.max(0, colon)).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

/** Browsers write `%22` for quotes in names. */
function parameterOf(header: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, 'i').exec(header);
  return found === null ? undefined : (found[1] ?? found[2] ?? '').replace(/\\(.)/g, '$1').replaceAll('%22', '"');
}

/** Where `needle`, which begins with a carriage return, is in `bytes`; -1 for nowhere. */
function find(bytes: Uint8Array, needle: Uint8Array): number {
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    let same = 1;
    while (same < needle.length && bytes[at + same] === needle[same]) same++;
    if (same === needle.length) return at;
  }
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
