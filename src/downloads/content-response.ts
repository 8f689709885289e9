import { type ByteRange, contentRange, parseRange, type RangeRequest } from '../streams/byte-range.ts';
import { concatenate } from '../streams/concat.ts';
import { multipartRanges } from '../streams/multipart-ranges.ts';
import type { Part } from '../streams/part.ts';
import { judgeConditions, rangeApplies, type Validators } from './conditions.ts';

/** Bytes that can be had in part: a file, or an archive. */
export interface Content {
  /** Exact, in bytes. */
  size: number;
  type: string;
  validators: Validators;
  /** On every answer that is not an error. */
  headers: Record<string, string>;
  slice(range: ByteRange): Iterable<Part>;
}

export interface ContentResponse {
  response: Response;
  /** Settles when the body is through; null when there is none. */
  done: Promise<void> | null;
  /** What was asked for, once conditions were judged. */
  range: RangeRequest;
}

/** Answers GET and HEAD: conditions, then ranges, then bytes (keep-web.md 3.3, 3.4). */
export function contentResponse(request: Request, signal: AbortSignal, content: Content): ContentResponse {
  const { size, validators } = content;
  const head = {
    ...content.headers,
    ETag: validators.etag,
    'Accept-Ranges': 'bytes',
    ...(validators.modified === null ? {} : { 'Last-Modified': new Date(validators.modified).toUTCString() }),
  };
  const whole: RangeRequest = { kind: 'whole' };
  const verdict = judgeConditions(request.headers, validators);
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
  const { body, done } = concatenate(parts, length, signal);
  return { response: new Response(body, init), done, range };
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
      return { status: 206, headers, length: only.length, parts: content.slice(only) };
    }
    const boundary = Array.from(crypto.getRandomValues(new Uint8Array(30)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    );
    const multipart = multipartRanges(range.ranges, { size, type, boundary: boundary.join('') }, content.slice);
    const headers = { 'Content-Type': multipart.contentType };
    return { status: 206, headers, length: multipart.length, parts: multipart.parts };
  }
  const headers = { 'Content-Type': type };
  return { status: 200, headers, length: size, parts: content.slice({ offset: 0, length: size }) };
}
