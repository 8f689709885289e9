import { KeepError } from '../../keep/errors.ts';

/** Largest body of a form or a JSON selection, in bytes: some ten thousand paths. */
const MAX_FIELDS_BYTES = 4 * 1024 * 1024;

/** What a request says besides its address: the query, and a form or JSON in its body. */
export interface RequestFields {
  /** Query first. */
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string): boolean;
  /** A JSON body's object, null when there is none. */
  json: Record<string, unknown> | null;
  /** Fields of the body alone. */
  form: URLSearchParams;
}

/**
 * Reads the fields of a request. Only bodies that say that they are forms or JSON are touched.
 * @throws KeepError bad_request, too_large
 */
export async function readFields(request: Request, query: URLSearchParams): Promise<RequestFields> {
  const type = (request.headers.get('Content-Type') ?? '').trim();
  const kind = type.replace(/;.*$/s, '').trim().toLowerCase();
  const form = new URLSearchParams();
  let json: Record<string, unknown> | null = null;
  if (request.method === 'POST' && kind === 'application/x-www-form-urlencoded') {
    for (const [name, value] of new URLSearchParams(await limitedText(request))) form.append(name, value);
  } else if (request.method === 'POST' && kind === 'multipart/form-data') {
    const body = await limitedText(request, 'bytes');
    const parsed = await new Response(body, { headers: { 'Content-Type': type } }).formData().catch(() => {
      throw new KeepError('bad_request', { message: 'the form cannot be read' });
    });
    for (const [name, value] of parsed) if (typeof value === 'string') form.append(name, value);
  } else if (kind === 'application/json' && request.body !== null) {
    json = parseObject(await limitedText(request));
  }
  const all = [query, form];
  return {
    get: (name) => all.find((fields) => fields.has(name))?.get(name) ?? null,
    getAll: (name) => all.flatMap((fields) => fields.getAll(name)),
    has: (name) => all.some((fields) => fields.has(name)),
    json,
    form,
  };
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
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > MAX_FIELDS_BYTES) {
      throw new KeepError('too_large', { message: `a form may have at most ${MAX_FIELDS_BYTES} bytes` });
    }
    chunks.push(chunk);
  }
  const blob = new Blob(chunks);
  return as === 'bytes' ? new Uint8Array(await blob.arrayBuffer()) : blob.text();
}
