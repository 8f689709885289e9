import type { User } from '../../accounts/account.ts';
import { isValidToken } from '../../accounts/d1-authority.ts';
import { requireLevel } from '../../accounts/permissions.ts';
import { type ErrorCode, isKeepError, KeepError } from '../../keep/errors.ts';
import { IS_TRASHED, type Row } from '../../records/columns.ts';
import { formatTime } from '../../records/times.ts';
import { type ChangeContext, changeRow } from '../change-row.ts';
import { manifestColumns } from '../collection-row.ts';
import { deleteManifest } from '../manifest-store.ts';
import { completeStatement } from '../uploads/upload-rows.ts';
import { planEdits } from './apply.ts';
import type { Edit, Edited, EditRequest, NodeKind } from './edits.ts';
import { independentGroups } from './independent-groups.ts';
import type { Lock } from './locks.ts';
import { checkMetadataSizes, concernsMetadata, metadataStatements } from './metadata-rows.ts';
import { createTexts, stageNormalised, stageSegments } from './texts.ts';

/** What one request came to; errors travel as data because Durable Object calls lose their classes. */
export type EditOutcome = { ok: true; edited: Edited } | { ok: false; code: ErrorCode; message: string };

export interface BatchContext extends ChangeContext {
  manifests: R2Bucket;
  /** Checks attributes and gives the columns that they set. @throws KeepError invalid_record, forbidden */
  columnsOf(uuid: string, attributes: Row, user: User): Promise<Row>;
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
  const row = await db
    .prepare(`SELECT *, ${IS_TRASHED} AS is_trashed FROM collections WHERE uuid = ?`)
    .bind(uuid)
    .first<Row>();
  if (row === null || row.is_trashed === 1)
    return requests.map(() => refusal(new KeepError('not_found', { message: 'Path not found' })));
  const revision = Number(row.revision);
  const outcomes = await judgeWriters(uuid, requests, context);
  const allowed = requests.filter((_, i) => outcomes[i] === null);
  if (allowed.length === 0) return outcomes.map((outcome) => outcome as EditOutcome);

  const texts = createTexts(context, row);
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
        : await context.columnsOf(uuid, attributes, last.writer.user)),
      ...(staged === null ? {} : manifestColumns(staged)),
      modified_at: formatTime(now()),
      modified_by_user_uuid: last?.writer.user.uuid ?? '',
    };
    // A path that was not surveyed (a move's source) may have metadata.
    const edits = holding.flatMap((request) => request.edits);
    const statements = (await concernsMetadata(db, uuid, edits))
      ? metadataStatements(db, uuid, revision + 1, edits, (path) => kinds.get(path) ?? 'file')
      : [];
    const completed = holding.flatMap(({ completes }) =>
      completes === undefined ? [] : completeStatement(db, uuid, revision + 1, completes),
    );
    try {
      if (
        !(await changeRow(context, uuid, revision, columns, {
          statements: [...statements, ...completed],
        }))
      ) {
        if (staged !== null) await deleteManifest(manifests, staged.stored);
        return null;
      }
    } catch (error) {
      if (isKeepError(error) && staged !== null) await deleteManifest(manifests, staged.stored);
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

/** Who may still write when the batch commits; null where nothing stands against it. */
async function judgeWriters(
  uuid: string,
  requests: EditRequest[],
  { db, now }: BatchContext,
): Promise<(EditOutcome | null)[]> {
  const known = new Map<string, Promise<EditOutcome | null>>();
  const judge = async ({ writer }: EditRequest): Promise<EditOutcome | null> => {
    try {
      if (writer.tokenUuid !== null && !(await isValidToken(db, writer.tokenUuid, now())))
        throw new KeepError('unauthorized', { message: 'Not logged in: the token was revoked or has expired' });
      await requireLevel(db, writer.user, uuid, 'write');
      return null;
    } catch (error) {
      return refusal(error);
    }
  };
  const outcomes: (EditOutcome | null)[] = [];
  for (const request of requests) {
    const key = `${request.writer.user.uuid} ${request.writer.tokenUuid}`;
    const judged = known.get(key) ?? judge(request);
    known.set(key, judged);
    const outcome = await judged;
    outcomes.push(
      outcome ??
        (await checkMetadataSizes(db, uuid, request.edits).then(
          () => null,
          (error: unknown) => refusal(error),
        )),
    );
  }
  return outcomes;
}

/** @throws what is no refusal */
export function refusal(error: unknown): EditOutcome {
  if (isKeepError(error)) return { ok: false, code: error.code, message: error.message };
  throw error;
}
