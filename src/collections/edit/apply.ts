import { isKeepError, KeepError } from '../../keep/errors.ts';
import { isTooDeep, MAX_LEVELS, pathsOf, targetsOf, termsOf } from './edit-paths.ts';
import type { Condition, Edit, EditRequest, NodeKind, Texts } from './edits.ts';
import { check, checkEdit, refused, takenAway } from './judge.ts';
import { isIndependentOfLocks, type Lock } from './locks.ts';
import { bySource, newText } from './new-text.ts';
import { isSameContent } from './same-content.ts';
import { surveyPaths } from './survey.ts';

/** What was judged of one request before anything is changed. */
export type Judged = { ok: true; before: Record<string, NodeKind> } | { ok: false; error: KeepError };

/** Requests whose paths don't touch, judged and ready to be written as one text. */
export interface Plan {
  judged: Judged[];
  /** What changes something, of the requests that hold. */
  edits: Edit[];
  /** The new text; null when no request changes anything. */
  text: (() => AsyncIterable<Uint8Array>) | null;
}

/**
 * Judges requests against one state of a collection and makes the text with all edits of those that hold. The requests
 * must be independent (see `areIndependent`). Conditions are judged before locks.
 */
export async function planEdits(
  texts: Texts,
  requests: readonly EditRequest[],
  locks: readonly Lock[] = [],
): Promise<Plan> {
  const paths = requests.flatMap((request) => (isTooDeep(request) ? [] : pathsOf(request)));
  const survey = await surveyPaths(await texts.current(), paths);
  const { kindOf } = survey;
  const etags = await texts.etags(
    requests.flatMap(({ conditions }) =>
      conditions.flatMap(termsOf).flatMap((term) => ('etag' in term ? term.path : [])),
    ),
  );
  const unchanged = new Set<Condition>();
  for (const condition of requests.flatMap(({ conditions }) => conditions))
    if ('paths' in condition && (await isUnchanged(texts, condition))) unchanged.add(condition);
  const state = { etags, locks, portableDataHash: texts.portableDataHash, unchanged };
  const grafts = await surveySources(texts, requests);
  const judged: Judged[] = [];
  const edits: Edit[] = [];
  for (const request of requests) {
    try {
      if (isTooDeep(request)) throw refused(`a path may have up to ${MAX_LEVELS} levels`);
      for (const condition of request.conditions) check(condition, kindOf, state);
      if (!isIndependentOfLocks(request, locks))
        throw new KeepError('locked', { message: 'the path is locked by another client' });
      const gone = takenAway(request.edits);
      for (const edit of request.edits) checkEdit(edit, gone, survey, grafts);
      edits.push(...request.edits);
      judged.push({
        ok: true,
        before: Object.fromEntries(request.edits.flatMap(targetsOf).map((path) => [path, kindOf(path)])),
      });
    } catch (error) {
      if (!isKeepError(error)) throw error;
      judged.push({ ok: false, error });
    }
  }
  const changing = edits.filter((edit) => !isEmpty(edit, kindOf));
  return {
    judged,
    edits: changing,
    text: changing.length === 0 ? null : () => newText(texts, changing, kindOf, grafts),
  };
}

/** Content that is kept no more is other content. */
async function isUnchanged(texts: Texts, { paths, asIn }: { paths: string[]; asIn: string }): Promise<boolean> {
  try {
    return await isSameContent(texts, paths, asIn);
  } catch (error) {
    if (isKeepError(error, 'not_found')) return false;
    throw error;
  }
}

/** What each graft takes: a source that is not there, or cannot be read, is an error of the requests that name it. */
async function surveySources(texts: Texts, requests: readonly EditRequest[]): Promise<Map<Edit, NodeKind | KeepError>> {
  const found = new Map<Edit, NodeKind | KeepError>();
  for (const group of bySource(requests.flatMap(({ edits }) => edits))) {
    const [first] = group;
    if (first === undefined) continue;
    try {
      const { kindOf } = await surveyPaths(
        await texts.source(first.source),
        group.map(({ from }) => from),
      );
      for (const edit of group) found.set(edit, kindOf(edit.from));
    } catch (error) {
      if (!isKeepError(error)) throw error;
      for (const edit of group) found.set(edit, error);
    }
  }
  return found;
}

/** Edits that leave everything as it is. */
function isEmpty(edit: Edit, kindOf: (path: string) => NodeKind): boolean {
  if (edit.kind === 'delete')
    return edit.prunes === true ? kindOf(edit.path) !== 'file' : kindOf(edit.path) === 'absent';
  if (edit.kind === 'properties') return true;
  if (edit.kind === 'mkdir') return kindOf(edit.path) === 'directory';
  if (edit.kind === 'unmark') return kindOf(edit.path) !== 'directory';
  return (edit.kind === 'copy' || edit.kind === 'move') && edit.from === edit.to;
}
