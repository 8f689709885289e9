import type { EtagTerm, LockTerm } from '../../collections/edit/edits.ts';
import { KeepError } from '../../keep/errors.ts';

/** What an `If` header says (RFC 4918 10.4). */
export interface IfHeader {
  /** One of these lists must hold, each with all its terms. */
  lists: (EtagTerm | LockTerm)[][];
  /** Lock tokens that the client shows, wherever in the header. */
  tokens: string[];
}

/** Characters of a header, and lists in it: what clients send is far below. */
const MAX_CHARS = 8192;
const MAX_TERMS = 200;
const TAG = /^\s*<([^<>]*)>/;
const TERM = /^\s*([Nn][Oo][Tt]\s+|[Nn][Oo][Tt](?=[<[]))?(?:<([^<>]*)>|\[((?:W\/)?"[^"]*")\])/;

/**
 * @param path of the request, which lists without a resource are about
 * @param pathOf the path in the collection that a resource's URL names; null for one elsewhere, where nothing holds
 * @throws KeepError bad_request
 */
export function parseIf(header: string, path: string, pathOf: (url: string) => string | null): IfHeader {
  if (header.length > MAX_CHARS) throw malformed();
  const lists: (EtagTerm | LockTerm)[][] = [];
  const tokens: string[] = [];
  let rest = header;
  let about: string | null = path;
  let terms = 0;
  while (rest.trim() !== '') {
    const tag = TAG.exec(rest);
    if (tag !== null) {
      about = pathOf(tag[1] ?? '');
      rest = rest.slice(tag[0].length);
    }
    const open = /^\s*\(/.exec(rest);
    if (open === null) throw malformed();
    rest = rest.slice(open[0].length);
    const list: (EtagTerm | LockTerm)[] = [];
    for (;;) {
      const term = TERM.exec(rest);
      if (term === null) break;
      if (++terms > MAX_TERMS) throw malformed();
      rest = rest.slice(term[0].length);
      const matches = term[1] === undefined;
      const [, , lockToken, etag] = term;
      if (lockToken !== undefined && matches) tokens.push(lockToken);
      // A resource elsewhere has no state here that could match.
      const at = about ?? '\u0000';
      if (lockToken !== undefined) list.push({ path: at, lockToken, matches });
      else list.push({ path: at, etag: [etag ?? ''], matches });
    }
    const close = /^\s*\)/.exec(rest);
    if (close === null || list.length === 0) throw malformed();
    rest = rest.slice(close[0].length);
    lists.push(list);
  }
  if (lists.length === 0) throw malformed();
  return { lists, tokens };
}

function malformed(): KeepError {
  return new KeepError('bad_request', {
    message: 'the If header cannot be read: RFC 4918 10.4 says how it is written',
  });
}
