import type { User } from '../../accounts/account.ts';
import { endedToken, validTokenLook } from '../../accounts/d1-authority.ts';
import { requireAtLeast } from '../../accounts/levels.ts';
import { headLook } from '../../accounts/permissions.ts';
import { type ErrorCode, isKeepError, KeepError } from '../../keep/errors.ts';
import { IS_TRASHED, type Row } from '../../records/columns.ts';
import { type Look, lookAt, NO_LOOK, rowLook, together } from '../../records/look.ts';
import { formatTime } from '../../records/times.ts';
import { type ChangeContext, changeRow, isRefused, WHOLE_ROW } from '../change-row.ts';
import { manifestColumns } from '../collection-row.ts';
import { deleteManifest } from '../manifest-store.ts';
import { type Quota, quotasLook } from '../quota.ts';
import { completeStatement } from '../uploads/upload-rows.ts';
import { planEdits } from './apply.ts';
import type { Edit, Edited, EditRequest, NodeKind, Writer } from './edits.ts';
import { independentGroups } from './independent-groups.ts';
import type { Lock } from './locks.ts';
import { bringsMetadata, checkMetadataSizes, metadataStatements } from './metadata-rows.ts';
import { createTexts, stageNormalised, stageSegments } from './texts.ts';

/** What one request came to; errors travel as data because Durable Object calls lose their classes. */
export type EditOutcome = { ok: true; edited: Edited } | { ok: false; code: ErrorCode; message: string };

export interface BatchContext extends ChangeContext {
  manifests: R2Bucket;
  /**
   * Checks attributes of a collection that the user may write to, and gives the columns that they set.
   * @param before its row
   * @throws KeepError invalid_record, forbidden
   */
  columnsOf(before: Row, attributes: Row, user: User): Promise<Row>;
  /** Locks in force now. */
  locks(): Lock[];
}

/** Attempts when another object of the same service, or a hand, changes the row meanwhile. */
const ATTEMPTS = 5;
/**
 * Commits requests in their order, as few revisions as possible: neighbours that don't touch each other share one.
 * @returns one outcome for each request
 */
export async function commitBatch(
  uuid: string,
  requests: readonly EditRequest[],
  context: BatchContext,
): Promise<EditOutcome[]> {
  const outcomes: EditOutcome[] = [];
  for (const group of independentGroups(requests)) outcomes.push(...(await commitGroup(uuid, group, context)));
  return outcomes;
}

async function commitGroup(uuid: string, requests: EditRequest[], context: BatchContext): Promise<EditOutcome[]> {
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const outcomes = await tryGroup(uuid, requests, context);
      if (outcomes !== null) return outcomes;
    }
    throw new KeepError('unavailable', { message: 'the collection changes too fast: try again' });
  } catch (error) {
    return requests.map(() => refusal(error));
  }
}

/** Null when the row changed meanwhile. */
async function tryGroup(uuid: string, requests: EditRequest[], context: BatchContext): Promise<EditOutcome[] | null> {
  const { db, manifests, now } = context;
  const { found, quotas, verdicts } = await stateOf(uuid, requests, context);
  if (found === null || found.is_trashed === 1)
    return requests.map(() => refusal(new KeepError('not_found', { message: 'Path not found' })));
  const { is_trashed, has_metadata, ...row } = found;
  const revision = Number(row.revision);
  const outcomes = await judgeRequests(uuid, requests, verdicts, context);
  const allowed = requests.filter((_, i) => outcomes[i] === null);
  if (allowed.length === 0) return outcomes.map((outcome) => outcome as EditOutcome);

  const texts = createTexts(context, row, has_metadata === 1);
  const { judged, text } = await planEdits(texts, allowed, context.locks());
  let portableDataHash = String(row.portable_data_hash);
  let committed = revision;
  const holding = allowed.filter((_, i) => judged[i]?.ok === true);
  const attributes = holding[0]?.attributes;
  const hasMetadata = holding.some(({ edits }) => edits.some(changesMetadata));
  const segments = holding[0]?.segments;
  if (
    text !== null ||
    hasMetadata ||
    segments !== undefined ||
    (attributes !== undefined && Object.keys(attributes).length > 0)
  ) {
    const edited = text === null ? null : await stageNormalised(manifests, text());
    const staged = segments === undefined ? edited : await stageSegments(manifests, edited, texts.current, segments);
    const kinds = new Map<string, NodeKind>(judged.flatMap((one) => (one.ok ? Object.entries(one.before) : [])));
    const last = holding.at(-1);
    const columns = {
      ...(attributes === undefined || last === undefined
        ? {}
        : await context.columnsOf(row, attributes, last.writer.user)),
      ...(staged === null ? {} : manifestColumns(staged)),
      modified_at: formatTime(now()),
      modified_by_user_uuid: last?.writer.user.uuid ?? '',
    };
    // A path that was not surveyed (a move's source) may have metadata.
    const edits = holding.flatMap((request) => request.edits);
    const statements =
      has_metadata === 1 || bringsMetadata(edits)
        ? metadataStatements(db, uuid, revision, edits, (path) => kinds.get(path) ?? 'file')
        : [];
    const completed = holding.flatMap(({ completes }) =>
      completes === undefined ? [] : completeStatement(db, uuid, revision, completes),
    );
    try {
      if (
        !(await changeRow(context, row, columns, {
          statements: [...statements, ...completed],
          quotas,
        }))
      ) {
        if (staged !== null) await deleteManifest(manifests, staged.stored);
        return null;
      }
    } catch (error) {
      if (isRefused(error) && staged !== null) await deleteManifest(manifests, staged.stored);
      throw error;
    }
    portableDataHash = staged?.portableDataHash ?? portableDataHash;
    committed = revision + 1;
  }
  const results = judged.map(
    (one): EditOutcome =>
      one.ok ? { ok: true, edited: { revision: committed, portableDataHash, before: one.before } } : refusal(one.error),
  );
  return outcomes.map((outcome) => outcome ?? (results.shift() as EditOutcome));
}

/** Whether an edit leaves a trace even where it leaves the text as it is. */
function changesMetadata(edit: Edit): boolean {
  return edit.kind === 'properties' || (edit.kind === 'mkdir' && edit.metadata !== undefined);
}

interface State {
  /** The row, with `is_trashed` and `has_metadata`. */
  found: Row | null;
  /** Undefined where nothing can grow. */
  quotas: Quota[] | undefined;
  /** Who may not write (any more), and why; null where nothing stands against it. */
  verdicts: Map<string, EditOutcome | null>;
}

/** All that a commit is judged by, in one round trip. */
async function stateOf(uuid: string, requests: EditRequest[], { db, now }: BatchContext): Promise<State> {
  const row = db
    .prepare(
      `SELECT ${WHOLE_ROW}, ${IS_TRASHED} AS is_trashed, EXISTS (SELECT 1 FROM file_metadata WHERE collection_uuid = collections.uuid) AS has_metadata
       FROM collections WHERE uuid = ?`,
    )
    .bind(uuid);
  const writers = new Map(requests.map(({ writer }) => [keyOf(writer), writer]));
  const judging = [...writers.values()].map((writer) => writerLook(db, writer, uuid, now()));
  const [found, quotas, outcomes] = await lookAt(
    db,
    together(rowLook(row), requests.some(mayGrow) ? quotasLook(db, uuid) : NO_LOOK, together(...judging)),
  );
  return { found, quotas, verdicts: new Map([...writers.keys()].map((key, i) => [key, outcomes[i] ?? null])) };
}

function keyOf({ user, tokenUuid }: Writer): string {
  return `${user.uuid} ${tokenUuid}`;
}

function mayGrow({ edits, segments }: EditRequest): boolean {
  return segments !== undefined || edits.some(({ kind }) => kind === 'put' || kind === 'copy' || kind === 'graft');
}

/** Why a writer may not write (any more); null where nothing stands against it. */
function writerLook(db: D1Database, { user, tokenUuid }: Writer, uuid: string, now: number): Look<EditOutcome | null> {
  const look = together(validTokenLook(db, tokenUuid, now), headLook(db, user, uuid));
  return {
    statements: look.statements,
    async found(rows) {
      const [isValid, head] = await look.found(rows);
      try {
        if (!isValid) throw endedToken();
        requireAtLeast(head?.level ?? 'none', 'write');
        return null;
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

/** What stands against each request before it is planned. */
async function judgeRequests(
  uuid: string,
  requests: EditRequest[],
  verdicts: State['verdicts'],
  { db }: BatchContext,
): Promise<(EditOutcome | null)[]> {
  const outcomes: (EditOutcome | null)[] = [];
  for (const { writer, edits } of requests)
    outcomes.push(
      verdicts.get(keyOf(writer)) ??
        (await checkMetadataSizes(db, uuid, edits).then(
          () => null,
          (error: unknown) => refusal(error),
        )),
    );
  return outcomes;
}

/** @throws what is no refusal */
export function refusal(error: unknown): EditOutcome {
  if (isKeepError(error)) return { ok: false, code: error.code, message: error.message };
  throw error;
}
