import { httpDate } from './http-date.ts';

/** What conditions are judged against (RFC 9110 13; docs/protocol/files.md#conditions). */
export interface Validators {
  /** Strong, with quotes. */
  etag: string;
  /** Unix milliseconds; null where content has no date of its own. */
  modified: number | null;
}

export type Verdict = 'proceed' | 'not_modified' | 'precondition_failed';

/**
 * Judges If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since. Only GET and HEAD can be answered with
 * "not modified": for other methods a match of If-None-Match fails, and If-Modified-Since does not count.
 */
export function judgeConditions(method: string, headers: Headers, { etag, modified }: Validators): Verdict {
  const isRead = method === 'GET' || method === 'HEAD';
  const ifMatch = headers.get('If-Match');
  if (ifMatch !== null) {
    if (!listed(ifMatch, etag, true)) return 'precondition_failed';
  } else {
    const unmodifiedSince = httpDate(headers.get('If-Unmodified-Since'));
    if (unmodifiedSince !== null && modified !== null && wholeSeconds(modified) > unmodifiedSince)
      return 'precondition_failed';
  }
  const ifNoneMatch = headers.get('If-None-Match');
  if (ifNoneMatch !== null) {
    if (!listed(ifNoneMatch, etag, false)) return 'proceed';
    return isRead ? 'not_modified' : 'precondition_failed';
  }
  const modifiedSince = isRead ? httpDate(headers.get('If-Modified-Since')) : null;
  if (modifiedSince !== null && modified !== null && wholeSeconds(modified) <= modifiedSince) return 'not_modified';
  return 'proceed';
}

/** Whether a Range may be answered with a part: If-Range must name exactly what is here. */
export function rangeApplies(headers: Headers, { etag, modified }: Validators): boolean {
  const condition = headers.get('If-Range')?.trim();
  if (condition === undefined || condition === '') return true;
  if (condition.startsWith('"')) return condition === etag;
  if (condition.startsWith('W/')) return false;
  const since = httpDate(condition);
  return since !== null && modified !== null && wholeSeconds(modified) === since;
}

function listed(header: string, etag: string, strong: boolean): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (!strong && tag === `W/${etag}`));
}

function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}
