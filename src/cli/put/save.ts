import { hostname, userInfo } from 'node:os';
import { bareLocator } from '../../keep/locator.ts';
import { portableDataHash } from '../../keep/manifest/portable-data-hash.ts';
import { emptyDirectory } from '../../keep/manifest/tree.ts';
import { type Api, ApiError, type ApiRequest, type Row } from '../api-client.ts';
import { loadCollection, loadManifest, locatorsIn } from '../collection.ts';
import { listManifest } from '../listing.ts';
import type { Checkpoint } from './checkpoint.ts';
import { editsFor, layOver, manifestText, type TreeContents } from './saved-tree.ts';

export interface SaveOptions {
  api: Api;
  checkpoint: Checkpoint;
  /** The collection to add files to; null makes one. */
  update: string | null;
  /** For a new collection; null for a name with time, user and host. */
  name: string | null;
  owner: string | null;
  replication: number | null;
  storageClasses: readonly string[] | null;
  signatureTtlSeconds: number;
  /** ISO 8601; null to keep the collection. */
  trashAt: string | null;
  /** Makes no collection when the owner has one of the same contents. */
  skipExisting: boolean;
  /** Whether the API server can change paths one by one. */
  canReplaceFiles: boolean;
}

export interface Saver {
  /**
   * Saves what is stored so far in a separate collection, and takes the fresh signatures that come back. A collection
   * that is being updated is not touched until the end: readers never see half of an upload in it.
   */
  saveOnTheWay(contents: TreeContents, how?: Pick<ApiRequest, 'signal' | 'patient'>): Promise<void>;
  /** Saves the complete upload, and removes what was saved on the way if it is not what is complete now. */
  finish(contents: TreeContents): Promise<Saved>;
  /** Removes what was saved on the way. */
  giveUp(): Promise<void>;
}

export interface Saved {
  record: Row;
  /** The portable data hash that it should have; null when others may have changed the collection meanwhile. */
  expectedHash: string | null;
  /** It was there before. */
  isExisting?: boolean;
}

const UNFINISHED_SUFFIX = ' (upload not finished)';
/** With more files, a directory that the collection does not have goes as one edit. */
const MAX_EDITS = 2_000;
const SIGNATURE_EXPIRY = /\+A[0-9a-f]{40}@([0-9a-f]{8})/;

export function createSaver(options: SaveOptions): Saver {
  const { api, checkpoint, update } = options;
  const attributes: Row = {
    ...(options.replication === null ? {} : { replication_desired: options.replication }),
    ...(options.storageClasses === null ? {} : { storage_classes_desired: options.storageClasses }),
  };
  /** Of the complete collection only: what is saved on the way is not trashed on its own. */
  const final: Row = options.trashAt === null ? {} : { trash_at: options.trashAt };
  const title = () => options.name ?? (update === null ? defaultName() : `Upload into ${update}`);

  async function create(manifest: string, name: string, how: ApiRequest = {}, more: Row = {}): Promise<Row> {
    const owner = options.owner === null ? {} : { owner_uuid: options.owner };
    return api('arvados/v1/collections', {
      method: 'POST',
      query: { ensure_unique_name: true },
      body: { collection: { ...attributes, ...more, ...owner, name, manifest_text: manifest } },
      ...how,
    });
  }

  function change(uuid: string, record: Row, how: ApiRequest = {}): Promise<Row> {
    const body = { collection: { ...attributes, ...record } };
    return api(`arvados/v1/collections/${uuid}`, { method: 'PUT', body, ...how });
  }

  async function finishNew(manifest: string): Promise<Row> {
    const uuid = checkpoint.collection?.uuid;
    if (uuid === undefined) return create(manifest, title(), {}, final);
    const name = await finalName(api, uuid, options.name);
    return change(uuid, { ...final, manifest_text: manifest, name }).catch((error: unknown) => {
      // Another collection has taken the name meanwhile.
      if (!(error instanceof ApiError) || error.status !== 422) throw error;
      return change(uuid, { ...final, manifest_text: manifest, name: `${name} (${new Date().toISOString()})` });
    });
  }

  /** Puts the files into the collection as it is when they are saved: what others save meanwhile stays. */
  async function addFiles(uuid: string, contents: TreeContents): Promise<Saved> {
    const root = emptyDirectory();
    layOver(root, contents, { unfinished: false });
    const wholeDirectories = contents.files.length > MAX_EDITS;
    const isNeeded = wholeDirectories || contents.emptyDirectories.length > 0;
    const there = isNeeded ? listManifest((await loadManifest(api, uuid)).manifest) : null;
    const edits = editsFor(root, there, { wholeDirectories });
    if (Object.keys(edits).length === 0) return { record: await change(uuid, final), expectedHash: null };
    try {
      const record = await api(`arvados/v1/collections/${uuid}`, {
        method: 'PUT',
        body: {
          collection: { ...attributes, ...final, manifest_text: manifestText(root) },
          replace_files: edits,
          select: ['uuid', 'name', 'portable_data_hash'],
        },
      });
      return { record, expectedHash: null };
    } catch (error) {
      // The server takes no such change of a collection as large as this.
      if (error instanceof ApiError && error.status === 413) return replaceAll(uuid, contents);
      throw error;
    }
  }

  /** For API servers that only take whole manifests. */
  async function replaceAll(uuid: string, contents: TreeContents): Promise<Saved> {
    // Read again: other writers may have changed it.
    const { tree } = await loadCollection(api, uuid);
    layOver(tree, contents, { unfinished: false });
    const manifest = manifestText(tree);
    const expectedHash = await portableDataHash([new TextEncoder().encode(manifest)]);
    return { record: await change(uuid, { ...final, manifest_text: manifest }), expectedHash };
  }

  async function findExisting(hash: string): Promise<Row | null> {
    const owner = options.owner ?? String((await api('arvados/v1/users/current')).uuid);
    const filters = [
      ['portable_data_hash', '=', hash],
      ['owner_uuid', '=', owner],
    ];
    const select = ['uuid', 'name', 'portable_data_hash'];
    const { items } = await api('arvados/v1/collections', { query: { filters, select, limit: 1, count: 'none' } });
    const [found] = (items ?? []) as Row[];
    return found ?? null;
  }

  return {
    async saveOnTheWay(contents, how = {}) {
      const root = emptyDirectory();
      layOver(root, contents, { unfinished: true });
      const manifest = manifestText(root);
      const uuid = checkpoint.collection?.uuid;
      let record: Row;
      if (uuid === undefined) {
        record = await create(manifest, `${title()}${UNFINISHED_SUFFIX}`, how);
        checkpoint.setCollection({ uuid: String(record.uuid) });
      } else {
        record = await change(uuid, { manifest_text: manifest }, how);
      }
      renew(checkpoint, String(record.manifest_text ?? ''), options.signatureTtlSeconds);
    },
    async giveUp() {
      if (checkpoint.collection !== null) await trash(api, checkpoint.collection.uuid);
    },
    async finish(contents) {
      if (update !== null) {
        const saved = options.canReplaceFiles ? await addFiles(update, contents) : await replaceAll(update, contents);
        if (checkpoint.collection !== null) await trash(api, checkpoint.collection.uuid);
        return saved;
      }
      const root = emptyDirectory();
      layOver(root, contents, { unfinished: false });
      const manifest = manifestText(root);
      const expectedHash = await portableDataHash([new TextEncoder().encode(manifest)]);
      const existing = options.skipExisting ? await findExisting(expectedHash) : null;
      if (existing === null) return { record: await finishNew(manifest), expectedHash };
      if (checkpoint.collection !== null) await trash(api, checkpoint.collection.uuid);
      return { record: existing, expectedHash, isExisting: true };
    },
  };
}

/** @throws ApiError; a collection that is gone already is no error */
async function trash(api: Api, uuid: string): Promise<void> {
  await api(`arvados/v1/collections/${uuid}`, { method: 'DELETE' }).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  });
}

/**
 * Takes signatures from a manifest that the API server has just signed, where ours are past half of their lifetime.
 * @returns how many were taken
 */
export function renew(checkpoint: Checkpoint, manifest: string, ttlSeconds: number): number {
  const soon = Date.now() / 1000 + ttlSeconds / 2;
  const renewed = new Map<string, string>();
  locatorsIn(manifest, (locator) => {
    const block = bareLocator(locator);
    const held = checkpoint.locators.get(block);
    if (held === undefined || !SIGNATURE_EXPIRY.test(locator)) return;
    if (expiryOf(held) < soon && expiryOf(locator) > expiryOf(held)) renewed.set(block, locator);
  });
  if (renewed.size > 0) checkpoint.addRenewed([...renewed.values()]);
  return renewed.size;
}

/** Unix seconds; infinite for a locator without a signature. */
function expiryOf(locator: string): number {
  const [, hex] = SIGNATURE_EXPIRY.exec(locator) ?? [];
  return hex === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(hex, 16);
}

/** The name asked for, or the one it was saved under on the way; a name that was made unique stays. */
async function finalName(api: Api, uuid: string, asked: string | null): Promise<string> {
  const record = await api(`arvados/v1/collections/${uuid}`, { query: { select: ['uuid', 'name'] } });
  const name = String(record.name ?? defaultName());
  if (name.includes(UNFINISHED_SUFFIX)) return asked ?? name.replace(UNFINISHED_SUFFIX, '');
  return asked === null || name.startsWith(`${asked} (`) ? name : asked;
}

function defaultName(): string {
  const time = new Date().toISOString().slice(0, 19).replace('T', ' ');
  return `Saved at ${time} UTC by ${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}
