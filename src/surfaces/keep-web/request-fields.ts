import { heldChunks } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';
import { decodeName } from '../../keep/manifest/names.ts';
import { decodeUriName } from '../../keep/manifest/uri-names.ts';

/** Largest body of a form or a JSON selection, in bytes: some ten thousand paths. */
const MAX_FIELDS_BYTES = 4 * 1024 * 1024;
/** Paths of an archive's selection, and a few more. Each costs far more memory than its text. */
const MAX_FIELDS = 50_000;

/** What a request says besides its address: the query, and a form or JSON in its body. */
export interface RequestFields {
  /** Query first. */
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string): boolean;
  /** A JSON body's object, null when there is none. */
  json: Record<string, unknown> | null;
  /** Fields of the body alone. */
  form: Fields;
}

/** Fields of a query or form. Bytes that are not UTF-8 as in keep/manifest/names.ts (URLSearchParams would lose them). */
export interface Fields {
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string): boolean;
}

/**
 * Reads the fields of a request. Only bodies that say that they are forms or JSON are touched.
 * @throws KeepError bad_request, too_large, unavailable
 */
export async function readFields(request: Request, { search }: URL): Promise<RequestFields> {
  const type = (request.headers.get('Content-Type') ?? '').trim();
  const kind = type.replace(/;.*$/s, '').trim().toLowerCase();
  const fields: [string, string][] = [];
  let json: Record<string, unknown> | null = null;
  if (request.method === 'POST' && kind === 'application/x-www-form-urlencoded') {
    const text = decodeName(await limitedText(request, 'bytes'));
    requireFewFields(separatorsIn(text));
    for (const field of urlEncoded(text)) fields.push(field);
  } else if (request.method === 'POST' && kind === 'multipart/form-data') {
    const body = await limitedText(request, 'bytes');
    const parsed = await new Response(body, { headers: { 'Content-Type': type } }).formData().catch(() => {
      throw new KeepError('bad_request', { message: 'the form cannot be read' });
    });
    requireFewFields([...parsed.keys()].length);
    for (const [name, value] of parsed) if (typeof value === 'string') fields.push([name, value]);
  } else if (kind === 'application/json' && request.body !== null) {
    json = parseObject(await limitedText(request));
  }
  const form = fieldsOf(fields);
  return { ...fieldsOf([...urlEncoded(search.slice(1)), ...fields]), json, form };
}

/** The first field of a name counts where one is asked for. */
function fieldsOf(fields: [string, string][]): Fields {
  const values = Map.groupBy(fields, ([name]) => name);
  const getAll = (name: string) => (values.get(name) ?? []).map(([, value]) => value);
  return { getAll, get: (name) => getAll(name)[0] ?? null, has: (name) => values.has(name) };
}

/** `application/x-www-form-urlencoded`; a percent sign that begins no escape stays one, as everywhere in forms. */
function urlEncoded(text: string): [string, string][] {
  const decode = (encoded: string) => decodeUriName(encoded.replaceAll('+', ' ').replace(/%(?![0-9a-f]{2})/gi, '%25'));
  return text
    .split('&')
    .filter((field) => field !== '')
    .map((field) => {
      const end = field.includes('=') ? field.indexOf('=') : field.length;
      return [decode(field.slice(0, end)), decode(field.slice(end + 1))];
    });
}

/** @throws KeepError bad_request for more than a form may have */
export function requireFewFields(fields: number): void {
  if (fields > MAX_FIELDS)
    throw new KeepError('bad_request', { message: `a form may have at most ${MAX_FIELDS} fields` });
}

function separatorsIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('&'); at >= 0 && count <= MAX_FIELDS; at = text.indexOf('&', at + 1)) count++;
  return count;
}

function parseObject(text: string): Record<string, unknown> | null {
  if (text === '') return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new KeepError('bad_request', { message: `the JSON cannot be read: ${(error as Error).message}` });
  }
  throw new KeepError('bad_request', { message: 'the JSON must be an object' });
}

/** The body, if it is no longer than it may be. */
async function limitedText(request: Request): Promise<string>;
async function limitedText(request: Request, as: 'bytes'): Promise<Uint8Array>;
async function limitedText(request: Request, as?: 'bytes'): Promise<string | Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of heldChunks(request)) {
    length += chunk.byteLength;
    if (length > MAX_FIELDS_BYTES) {
      throw new KeepError('too_large', { message: `a form may have at most ${MAX_FIELDS_BYTES} bytes` });
    }
    chunks.push(chunk);
  }
  const blob = new Blob(chunks);
  return as === 'bytes' ? new Uint8Array(await blob.arrayBuffer()) : blob.text();
}
