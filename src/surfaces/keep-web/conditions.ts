/** What conditions are judged against (RFC 9110 13; docs/protocol/files.md#conditions). */
export interface Validators {
  /** Strong, with quotes. */
  etag: string;
  /** Unix milliseconds; null where content has no date of its own. */
  modified: number | null;
}

export type Verdict = 'proceed' | 'not_modified' | 'precondition_failed';

/** Judges If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since of a GET or HEAD. */
export function judgeConditions(headers: Headers, { etag, modified }: Validators): Verdict {
  const ifMatch = headers.get('If-Match');
  if (ifMatch !== null) {
    if (!listed(ifMatch, etag, true)) return 'precondition_failed';
  } else {
    const unmodifiedSince = date(headers.get('If-Unmodified-Since'));
    if (unmodifiedSince !== null && modified !== null && wholeSeconds(modified) > unmodifiedSince)
      return 'precondition_failed';
  }
  const ifNoneMatch = headers.get('If-None-Match');
  if (ifNoneMatch !== null) return listed(ifNoneMatch, etag, false) ? 'not_modified' : 'proceed';
  const modifiedSince = date(headers.get('If-Modified-Since'));
  if (modifiedSince !== null && modified !== null && wholeSeconds(modified) <= modifiedSince) return 'not_modified';
  return 'proceed';
}

/** Whether a Range may be answered with a part: If-Range must name exactly what is here. */
export function rangeApplies(headers: Headers, { etag, modified }: Validators): boolean {
  const condition = headers.get('If-Range')?.trim();
  if (condition === undefined || condition === '') return true;
  if (condition.startsWith('"')) return condition === etag;
  if (condition.startsWith('W/')) return false;
  const since = date(condition);
  return since !== null && modified !== null && wholeSeconds(modified) === since;
}

function listed(header: string, etag: string, strong: boolean): boolean {
  if (header.trim() === '*') return true;
  const tags = header.match(/(W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (!strong && tag === `W/${etag}`));
}

function date(text: string | null): number | null {
  if (text === null) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}
