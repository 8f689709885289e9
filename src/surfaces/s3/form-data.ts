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
  // The first delimiter has no line before it.
  const window = createWindow(body, encoder.encode('\r\n'));
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

/** What has been read of the body and not been taken yet. */
interface Window {
  readonly bytes: Uint8Array;
  /** Reads more behind what is there; false at the end of the body. */
  more(): Promise<boolean>;
  drop(count: number): void;
  cancel(): Promise<void>;
}

/** @param before bytes that count as standing before the body */
function createWindow(body: ReadableStream<Uint8Array>, before: Uint8Array): Window {
  const reader = body.getReader();
  let buffer = before;
  let start = 0;
  let end = before.length;
  /** A body may come byte by byte: what is there is not copied for each. */
  const append = (bytes: Uint8Array) => {
    if (end + bytes.length > buffer.length) {
      const larger = new Uint8Array(2 * (end - start + bytes.length));
      larger.set(buffer.subarray(start, end));
      [buffer, start, end] = [larger, 0, end - start];
    }
    buffer.set(bytes, end);
    end += bytes.length;
  };
  return {
    get bytes() {
      return buffer.subarray(start, end);
    },
    async more() {
      const { value, done } = await reader.read();
      if (done) return false;
      append(value);
      return true;
    },
    drop(count) {
      start += count;
    },
    async cancel() {
      await reader.cancel().catch(() => undefined);
    },
  };
}

/** Bytes before `end`, which is taken as well. */
async function takeTo(window: Window, end: Uint8Array, limit: number): Promise<Uint8Array> {
  for (let from = 0; ; ) {
    const at = find(window.bytes, end, from);
    if (at >= 0) {
      const taken = window.bytes.slice(0, at);
      window.drop(at + end.length);
      return taken;
    }
    from = Math.max(0, window.bytes.length - end.length + 1);
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

/** Where `needle`, which begins with a carriage return, is in `bytes` from an index on; -1 for nowhere. */
function find(bytes: Uint8Array, needle: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    let same = 1;
    while (same < needle.length && bytes[at + same] === needle[same]) same++;
    if (same === needle.length) return at;
  }
  return -1;
}
