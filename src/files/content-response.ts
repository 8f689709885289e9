import { isKeepError, KeepError } from '../keep/errors.ts';
import { type ByteRange, contentRange, parseRange, type RangeRequest } from '../streams/byte-range.ts';
import { type Concatenation, concatenate } from '../streams/concat.ts';
import { multipartRanges } from '../streams/multipart-ranges.ts';
import type { LazyPart, OpenPart, Part } from '../streams/part.ts';
import { shareReads } from '../streams/shared-reads.ts';
import { judgeConditions, rangeApplies, type Validators } from './conditions.ts';

/** Content that supports ranges: a file, or an archive. */
export interface Content {
  /** Exact, in bytes. */
  size: number;
  type: string;
  validators: Validators;
  /** On every answer that is not an error. */
  headers: Record<string, string>;
  /** May be gone through more than once: parts are made for the answer, and ahead of it to plan its reads. */
  slice(range: ByteRange): Iterable<Part>;
  /** Called when the answer has ended, however it did. */
  end?(): void;
}

export interface ContentResponse {
  response: Response;
  /** Settles when the body is through; null when there is none. */
  done: Promise<void> | null;
  /** What was asked for, once conditions were judged. */
  range: RangeRequest;
}

/**
 * Answers GET and HEAD: conditions, then ranges, then bytes (docs/protocol/files.md#conditions). The first part is
 * opened before the answer begins, while its failure can still become a status.
 *
 * @throws KeepError bad_gateway when the first part is missing; what opening it throws
 */
export async function contentResponse(
  request: Pick<Request, 'method' | 'headers'>,
  signal: AbortSignal,
  content: Content,
): Promise<ContentResponse> {
  const answered = await answerOf(request, signal, content);
  if (answered.done === null) content.end?.();
  return answered;
}

async function answerOf(
  request: Pick<Request, 'method' | 'headers'>,
  signal: AbortSignal,
  content: Content,
): Promise<ContentResponse> {
  const { size, validators } = content;
  const head = {
    ...content.headers,
    ETag: validators.etag,
    'Accept-Ranges': 'bytes',
    ...(validators.modified === null ? {} : { 'Last-Modified': new Date(validators.modified).toUTCString() }),
  };
  const whole: RangeRequest = { kind: 'whole' };
  const verdict = judgeConditions(request.method, request.headers, validators);
  if (verdict === 'not_modified') return without(304, head);
  if (verdict === 'precondition_failed') return without(412, {});
  const range = rangeApplies(request.headers, validators) ? parseRange(request.headers.get('Range'), size) : whole;
  if (range.kind === 'unsatisfiable') {
    const headers = { 'Content-Range': `bytes */${size}`, 'Content-Type': 'text/plain; charset=utf-8' };
    return { response: new Response('invalid range\n', { status: 416, headers }), done: null, range };
  }
  const { status, headers, length, parts } = bodyFor(content, range);
  const init = { status, headers: { ...head, ...headers, 'Content-Length': String(length) } };
  if (request.method === 'HEAD') return { response: new Response(null, init), done: null, range };
  const { body, done } = await startBody(parts, length, signal, content.end);
  return { response: new Response(body, init), done, range };
}

/** A body of one native stream is handed over as it is; the others are put together. */
async function startBody(
  replay: () => Iterable<Part>,
  length: number,
  signal: AbortSignal,
  onEnd: Content['end'],
): Promise<Concatenation> {
  let endReads: (() => void) | undefined;
  const end = () => {
    endReads?.();
    onEnd?.();
  };
  try {
    const [, another] = replay();
    const shared = another === undefined ? null : shareReads(replay);
    endReads = shared?.end;
    const started = await startParts(shared?.parts ?? replay(), length, signal);
    started.done.finally(end).catch(() => undefined);
    return started;
  } catch (error) {
    end();
    throw error;
  }
}

async function startParts(parts: Iterable<Part>, length: number, signal: AbortSignal): Promise<Concatenation> {
  const rest = parts[Symbol.iterator]();
  const first = rest.next();
  if (first.done === true) return concatenate([], length, signal);
  const opened = first.value instanceof Uint8Array ? first.value : await openFirst(first.value, signal);
  const second = rest.next();
  if (second.done === true && opened instanceof ReadableStream) return { body: opened, done: Promise.resolve() };
  function* all(): Iterable<Part> {
    yield opened instanceof Uint8Array ? opened : { length, open: async () => opened };
    for (let next = second; next.done !== true; next = rest.next()) yield next.value;
  }
  return concatenate(all(), length, signal);
}

/** A missing block is 502, not 404: the file exists, its data does not. */
async function openFirst(part: LazyPart, signal: AbortSignal): Promise<OpenPart> {
  try {
    return await part.open(signal);
  } catch (cause) {
    if (!isKeepError(cause) || cause.status >= 500 || cause.code === 'client_gone') throw cause;
    if (cause.code === 'too_many_requests') throw cause;
    throw new KeepError('bad_gateway', { message: 'the data of this file cannot be read', cause });
  }
}

function without(status: number, headers: Record<string, string>): ContentResponse {
  return { response: new Response(null, { status, headers }), done: null, range: { kind: 'whole' } };
}

function bodyFor(content: Content, range: RangeRequest) {
  const { size, type } = content;
  if (range.kind === 'ranges') {
    const [only] = range.ranges;
    if (range.ranges.length === 1 && only !== undefined) {
      const headers = { 'Content-Type': type, 'Content-Range': contentRange(only, size) };
      return { status: 206, headers, length: only.length, parts: () => content.slice(only) };
    }
    const boundary = Array.from(crypto.getRandomValues(new Uint8Array(30)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    );
    const multipart = multipartRanges(range.ranges, { size, type, boundary: boundary.join('') }, content.slice);
    const headers = { 'Content-Type': multipart.contentType };
    return { status: 206, headers, length: multipart.length, parts: () => multipart.parts };
  }
  const headers = { 'Content-Type': type };
  return { status: 200, headers, length: size, parts: () => content.slice({ offset: 0, length: size }) };
}
