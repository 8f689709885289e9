import { requireScope } from '../../accounts/access.ts';
import { withLevel } from '../../accounts/levels.ts';
import type { Collection } from '../../collections/collection-row.ts';
import { type Change, changedMeanwhile, textOf } from '../../collections/collections.ts';
import type { Edit, SegmentReplacement, Writer } from '../../collections/edit/edits.ts';
import type { GetOptions } from '../../collections/find-collections.ts';
import { nothingReplaced, onlyAsIn, replacementEdits, sourcesOf } from '../../collections/replace-files.ts';
import { segmentReplacements } from '../../collections/replace-segments.ts';
import { findingScope } from '../../collections/scope.ts';
import { signatureCheck, signManifest } from '../../collections/sign-manifest.ts';
import type { LocatorCheck, StagedManifest } from '../../collections/stage-manifest.ts';
import { COLLECTIONS } from '../../collections/tables.ts';
import { COLLECTION_STATES, scopeOfStates } from '../../collections/version-states.ts';
import { isKeepError, KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { isUuid } from '../../records/ids.ts';
import { selectNames } from '../../records/list-parameters.ts';
import { listRecords, type ReadDatabase } from '../../records/list-query.ts';
import { expiryOf } from '../../records/times.ts';
import { heldBudget } from '../../streams/held-budget.ts';
import { TextStream } from '../../streams/json/encoder.ts';
import { answer, answerStreamed, listOf } from './answer.ts';
import { type ApiCall, type EmbeddedApi, pathPart, readBody } from './call.ts';
import { requireKnownAttributes } from './known-attributes.ts';
import { isSet } from './parameters.ts';

/** Path of a collection, as scopes name it. */
const BASE = '/arvados/v1/collections/';
/** Manifest bytes in one page of a list; a larger page is cut short, as the Arvados API does. */
const LIST_MANIFEST_BYTES = 16 * 1024 * 1024;
/** Of these what stands in the rows, with descriptions and properties: it is in memory until the answer has been read. */
const LIST_ROW_BYTES = 4 * 1024 * 1024;
/** Longer texts are in the bucket, and opened for the answer. */
const INLINE_BYTES = 65_536;
const LIST_OPENED = 32;
/** A row's text, and what is made of it. */
const COPIES = 2;
const WHOLE = { includeTrash: true, withText: true };
const ONLY_LEVEL = { select: [] };

export async function getCollection(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const id = pathPart(call);
  const collection = await api.collections.find(id, call.user, {
    includeTrash: isSet(call.parameters, 'include_trash'),
    withText: true,
  });
  return show(call, api, collection, isUuid(id) ? null : String(collection.record.portable_data_hash));
}

export async function createCollection(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const ensureUniqueName = isSet(call.parameters, 'ensure_unique_name');
  return save(call, api, {
    whole: (change) => api.collections.create({ ...change, ensureUniqueName }, call.user),
    edits: async (edits, attributes, segments) => {
      const manifest = await api.collections.stageEdits(edits, segments, call.user);
      return api.collections.create({ attributes, manifest, ensureUniqueName }, call.user);
    },
  });
}

export async function updateCollection(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const uuid = pathPart(call);
  const writer = writerOf(call);
  return save(call, api, {
    whole: async ({ attributes, manifest }) => {
      await api.collections.findToChange(uuid, call.user, ONLY_LEVEL);
      await api.commits.change(uuid, { writer, action: 'update', attributes, manifest, ensureUniqueName: false });
      return api.collections.find(uuid, call.user, WHOLE);
    },
    edits: async (edits, attributes, segments) => {
      await api.collections.findToChange(uuid, call.user, ONLY_LEVEL);
      const changing = Object.keys(attributes).length > 0 ? { attributes } : {};
      const replacing = segments.length > 0 ? { segments } : {};
      const { unchanged_from } = call.parameters;
      const conditions = onlyAsIn(edits, unchanged_from);
      if (typeof unchanged_from === 'string')
        await requireReadable(call, api, unchanged_from, { includeTrash: true }).catch(asChanged);
      if (isSet(call.parameters, 'must_be_new')) conditions.push(...nothingReplaced(edits));
      await api.commits.edit(uuid, { writer, edits, ...changing, ...replacing, conditions, lockTokens: [] });
      return api.collections.find(uuid, call.user, WHOLE);
    },
  });
}

export async function trashCollection(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  return changeWhole(call, api, 'trash');
}

export async function untrashCollection(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  await readBody(call);
  return changeWhole(call, api, 'untrash');
}

/**
 * The collection becomes what a past version was: files with their metadata, name, description and properties. The state
 * before becomes a past version in its turn.
 */
export async function restoreVersion(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const id = pathPart(call);
  await readBody(call);
  const version = await api.collections.find(id, call.user, { withText: true });
  if (!version.isPast)
    throw new KeepError('invalid_record', { message: 'that is the current version: name the past one to restore' });
  const { current_version_uuid, name, description, properties } = version.record;
  const current = String(current_version_uuid);
  requireScope(call.account, 'PATCH', `${BASE}${current}`);
  requireScope(call.account, 'GET', `${BASE}${id}`);
  const manifest = await api.collections.stage(await textOf(api.collections, version, call.user), null);
  await api.commits.change(current, {
    writer: writerOf(call),
    action: 'update',
    attributes: { name, description, properties },
    manifest,
    ensureUniqueName: false,
    restores: id,
  });
  return show(call, api, await api.collections.find(current, call.user, WHOLE), null);
}

async function changeWhole(call: ApiCall, api: EmbeddedApi, action: 'trash' | 'untrash'): Promise<Response> {
  const uuid = pathPart(call);
  const ensureUniqueName = isSet(call.parameters, 'ensure_unique_name');
  await api.collections.findToChange(uuid, call.user, { ...ONLY_LEVEL, includeTrash: true });
  await api.commits.change(uuid, { writer: writerOf(call), action, attributes: {}, manifest: null, ensureUniqueName });
  return show(call, api, await api.collections.find(uuid, call.user, WHOLE), null);
}

function writerOf({ user, account, token }: ApiCall): Writer {
  return { user, tokenUuid: account.tokenUuid, token };
}

export async function listCollections(call: ApiCall, api: EmbeddedApi): Promise<Response> {
  const { select, ...parameters } = call.parameters;
  const names = selectNames(COLLECTIONS, select);
  const withText = names.some((name) => COLLECTIONS.columns[name]?.onRequest);
  const includeTrash = isSet(parameters, 'include_trash');
  const isPastToo = isSet(parameters, 'include_old_versions');
  const table = isPastToo ? COLLECTION_STATES : COLLECTIONS;
  const scopeIn = async (db: ReadDatabase) =>
    isPastToo
      ? scopeOfStates(call.parameters, call.user, includeTrash)
      : findingScope({ db, search: api.search }, 'collections', call.parameters, call.user, includeTrash);
  if (!withText) {
    const page = await api.near.read(async (db) =>
      listRecords(db, table, { ...parameters, select }, await scopeIn(db)),
    );
    return answer(listOf(COLLECTIONS.kind, { ...page, items: page.items.map(nameAsText) }));
  }
  const textBytes = ['description', 'properties'].map((name) => `ifnull(octet_length(${table.name}.${name}), 0)`);
  const extra = ['manifest_bytes', `${textBytes.join(' + ')} AS text_bytes`];
  const page = await api.near.read(async (db) => {
    const scope = await scopeIn(db);
    const sizes = { ...scope, extra, ordered: scope.ordered ? { ...scope.ordered, extra } : null };
    return listRecords(db, table, { ...parameters, select: ['uuid'] }, sizes);
  });
  const { shown, bytes } = withinBytes(page.items);
  const held = heldBudget.reserve();
  try {
    await held.wait(COPIES * bytes, call.context.signal);
    const found = await api.collections.findMany(shown, call.user);
    const items: Row[] = [];
    for (const uuid of shown) {
      const collection = found.get(uuid);
      if (collection !== undefined) items.push(pick(await withManifest(call, api, collection), [...names, 'kind']));
    }
    const limit = shown.length < page.items.length ? shown.length : page.limit;
    return answerStreamed(listOf(COLLECTIONS.kind, { ...page, limit, items }), held.release);
  } catch (error) {
    held.release();
    throw error;
  }
}

/** UUIDs of the records at the beginning of a page that fit into an answer, at least one, and the bytes of their rows. */
function withinBytes(items: Row[]): { shown: string[]; bytes: number } {
  const shown: string[] = [];
  let [bytes, texts, opened] = [0, 0, 0];
  for (const { uuid, manifest_bytes, text_bytes } of items) {
    const text = Number(manifest_bytes);
    const row = Number(text_bytes) + (text <= INLINE_BYTES ? text : 0);
    const isOpened = text > INLINE_BYTES ? 1 : 0;
    const fits =
      texts + text <= LIST_MANIFEST_BYTES && bytes + row <= LIST_ROW_BYTES && opened + isOpened <= LIST_OPENED;
    if (shown.length > 0 && !fits) break;
    shown.push(String(uuid));
    bytes += row;
    texts += text;
    opened += isOpened;
  }
  return { shown, bytes };
}

interface Committing {
  whole(change: Change): Promise<Collection>;
  edits(edits: Edit[], attributes: Row, segments: SegmentReplacement[]): Promise<Collection>;
}

/** Stages the manifest of the body and commits the change. */
async function save(call: ApiCall, api: EmbeddedApi, commit: Committing): Promise<Response> {
  const { collections } = api;
  const check = signatureCheck(call.user, call.token, call.context.now, api.signing);
  const manifest = await collections.stage(call.body.manifest(), check);
  const change = await changeOf(call, api, manifest, check);
  const { replace_files: replacements, replace_segments: given } = call.parameters;
  const hasSegments = given !== undefined && given !== null;
  if (!hasSegments && (replacements === undefined || replacements === null))
    return show(call, api, await commit.whole(change), null);
  try {
    const segments = hasSegments ? segmentReplacements(given, check) : [];
    const edits = wholeOrParts(replacements, change.manifest);
    for (const hash of sourcesOf(edits)) await requireReadable(call, api, hash);
    // Its own content is read as well.
    const [uuid] = call.path;
    if (uuid !== undefined && edits.some(({ kind }) => kind === 'copy'))
      requireScope(call.account, 'GET', `${BASE}${uuid}`);
    return await show(call, api, await commit.edits(edits, change.attributes, segments), null);
  } finally {
    // It was only a source of the new manifest.
    if (change.manifest !== null) await collections.discard(change.manifest);
  }
}

/** Content that is not kept any more was changed. */
function asChanged(error: unknown): never {
  if (!isKeepError(error, 'not_found')) throw error;
  throw new KeepError('precondition_failed', { message: 'there is no content of that unchanged_from' });
}

/** The edits of `replace_files`; without them a text that is sent takes the place of all. */
function wholeOrParts(replacements: unknown, manifest: StagedManifest | null): Edit[] {
  if (replacements !== undefined && replacements !== null) return replacementEdits(replacements, manifest);
  return manifest === null ? [] : [{ kind: 'graft', source: { staged: manifest }, from: '', to: '' }];
}

/** Taking files from another collection is reading it: the token's scopes must allow that, and its user's permissions. */
async function requireReadable(
  { account, user }: ApiCall,
  { collections }: EmbeddedApi,
  hash: string,
  options: GetOptions = {},
): Promise<void> {
  requireScope(account, 'GET', `${BASE}${hash}`);
  await collections.find(hash, user, options);
}

/** The change in a body whose manifest was read. The manifest is deleted if the rest is invalid. */
async function changeOf(
  call: ApiCall,
  { collections }: EmbeddedApi,
  manifest: StagedManifest,
  check: LocatorCheck,
): Promise<Change> {
  try {
    const body = call.body.result();
    requireKnownAttributes(call.record, body);
    const { parameters, record, hasManifest } = body;
    Object.assign(call.parameters, parameters);
    const isConditional = isSet(call.parameters, 'must_be_new') || isSet(call.parameters, 'unchanged_from');
    if (isConditional && !call.parameters.replace_files)
      throw new KeepError('bad_request', { message: 'conditions are about the targets of replace_files: name some' });
    const { manifest_text: late, ...attributes } = record;
    if (hasManifest) return { attributes, manifest };
    // A text that was not found while streaming: the record was sent as JSON within JSON.
    if (typeof late === 'string')
      return { attributes, manifest: await collections.stage([new TextEncoder().encode(late)], check) };
    return { attributes, manifest: null };
  } catch (error) {
    await collections.discard(manifest);
    throw error;
  }
}

/** The record with the attributes in `select`, its text signed for the request's token. */
async function show(call: ApiCall, api: EmbeddedApi, collection: Collection, pdh: string | null): Promise<Response> {
  const { select } = call.parameters;
  const names =
    select === undefined || select === null
      ? [...selectNames(COLLECTIONS, undefined), 'manifest_text', 'can_write', 'can_manage']
      : selectNames(COLLECTIONS, select);
  const wanted =
    pdh === null
      ? [...names, ...askedLevels(select), 'kind', 'etag']
      : ['uuid', 'portable_data_hash', 'manifest_text', 'trash_at', 'kind'].filter(
          (name) => names.includes(name) || name === 'kind',
        );
  if (!wanted.some((name) => name.endsWith('manifest_text')))
    return answer(pick({ ...collection.record, ...(pdh === null ? {} : { uuid: pdh }) }, wanted));
  const record = await withManifest(call, api, collection);
  if (pdh !== null && record.portable_data_hash !== pdh) throw changedMeanwhile();
  return answerStreamed(pick(pdh === null ? record : { ...record, uuid: pdh }, wanted));
}

function askedLevels(select: unknown): string[] {
  return Array.isArray(select) ? ['can_write', 'can_manage'].filter((name) => select.includes(name)) : [];
}

async function withManifest(call: ApiCall, api: EmbeddedApi, known: Collection): Promise<Row> {
  const { collection, text } = await api.collections.read(known, call.user);
  const { record } = collection;
  const trashAt = (expiryOf(record.trash_at as string | null) ?? Number.POSITIVE_INFINITY) / 1000;
  const expiry = Math.floor(Math.min(call.context.now + api.signing.key.ttlSeconds, trashAt));
  const isTrashed = record.is_trashed === true || trashAt <= call.context.now;
  const signed = isTrashed ? text : signManifest(text, call.token, expiry, api.signing);
  const { select } = call.parameters;
  const wantsUnsigned = Array.isArray(select) && select.includes('unsigned_manifest_text');
  const unsigned = wantsUnsigned ? await textOf(api.collections, collection, call.user) : null;
  return {
    ...record,
    manifest_text: new TextStream(signed),
    ...(unsigned === null ? {} : { unsigned_manifest_text: new TextStream(unsigned) }),
  };
}

function pick(record: Row, names: string[]): Row {
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.includes(name)));
}

function nameAsText(record: Row): Row {
  return { kind: COLLECTIONS.kind, ...withLevel(record), ...('name' in record ? { name: record.name ?? '' } : {}) };
}
