import { hostname, userInfo } from 'node:os';
import { bareLocator } from '../../keep/locator.ts';
import { portableDataHash } from '../../keep/manifest/portable-data-hash.ts';
import { emptyDirectory } from '../../keep/manifest/tree.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { loadCollection, locatorsIn, treeOf } from '../collection.ts';
import type { Checkpoint } from './checkpoint.ts';
import { layOver, manifestText, type TreeContents } from './saved-tree.ts';

export interface SaveOptions {
  api: Api;
  checkpoint: Checkpoint;
  /** The collection to add files to; null makes one. */
  update: string | null;
  /** For a new collection; null for a name that says when and by whom. */
  name: string | null;
  owner: string | null;
  replication: number | null;
  storageClasses: readonly string[] | null;
  signatureTtlSeconds: number;
}

export interface Saver {
  /** Saves what is stored so far, and takes the fresh signatures that come back. */
  saveOnTheWay(contents: TreeContents): Promise<void>;
  /** Saves the complete upload. */
  finish(contents: TreeContents): Promise<{ record: Row; expectedHash: string }>;
}

const UNFINISHED_SUFFIX = ' (upload not finished)';
const SIGNATURE_EXPIRY = /\+A[0-9a-f]{40}@([0-9a-f]{8})/;

export function createSaver(options: SaveOptions): Saver {
  const { api, checkpoint, update } = options;
  const attributes: Row = {
    ...(options.replication === null ? {} : { replication_desired: options.replication }),
    ...(options.storageClasses === null ? {} : { storage_classes_desired: options.storageClasses }),
  };
  let name = options.name;

  /** The tree as it is to be saved; an existing collection is read anew, because others may have changed it. */
  async function textOf(contents: TreeContents, unfinished: boolean): Promise<string> {
    const root = update === null ? emptyDirectory() : (await loadCollection(api, update)).tree;
    layOver(root, contents, { unfinished });
    return manifestText(root);
  }

  async function create(manifest: string, title: string): Promise<Row> {
    const owner = options.owner === null ? {} : { owner_uuid: options.owner };
    return api('arvados/v1/collections', {
      method: 'POST',
      query: { ensure_unique_name: true },
      body: { collection: { ...attributes, ...owner, name: title, manifest_text: manifest } },
    });
  }

  function change(uuid: string, record: Row): Promise<Row> {
    return api(`arvados/v1/collections/${uuid}`, { method: 'PUT', body: { collection: { ...attributes, ...record } } });
  }

  return {
    async saveOnTheWay(contents) {
      const manifest = await textOf(contents, true);
      const uuid = update ?? checkpoint.collection;
      let record: Row;
      if (uuid === null) {
        record = await create(manifest, `${name ?? defaultName()}${UNFINISHED_SUFFIX}`);
        checkpoint.setCollection(String(record.uuid));
      } else {
        record = await change(uuid, { manifest_text: manifest });
      }
      await renew(checkpoint, String(record.manifest_text ?? ''), options.signatureTtlSeconds);
    },
    async finish(contents) {
      const manifest = await textOf(contents, false);
      const expectedHash = await portableDataHash([new TextEncoder().encode(manifest)]);
      if (update !== null) return { record: await change(update, { manifest_text: manifest }), expectedHash };
      const uuid = checkpoint.collection;
      if (uuid === null) return { record: await create(manifest, name ?? defaultName()), expectedHash };
      name ??= await nameOnTheWay(api, uuid);
      const record = await change(uuid, { manifest_text: manifest, name }).catch((error: unknown) => {
        // Somebody else has taken the name meanwhile.
        if (!(error instanceof ApiError) || error.status !== 422) throw error;
        return change(uuid, { manifest_text: manifest, name: `${name} (${new Date().toISOString()})` });
      });
      return { record, expectedHash };
    },
  };
}

/**
 * Takes signatures from a manifest that the API server has just signed, where ours have lost half of their life.
 * @returns how many were taken
 */
export async function renew(checkpoint: Checkpoint, manifest: string, ttlSeconds: number): Promise<number> {
  const soon = Date.now() / 1000 + ttlSeconds / 2;
  const renewed = new Map<string, string>();
  locatorsIn(await treeOf(manifest), (locator) => {
    const block = bareLocator(locator);
    const held = checkpoint.locators.get(block);
    if (held === undefined || !SIGNATURE_EXPIRY.test(locator)) return;
    if (expiryOf(held) < soon && expiryOf(locator) > expiryOf(held)) renewed.set(block, locator);
  });
  if (renewed.size > 0) checkpoint.addRenewed([...renewed.values()]);
  return renewed.size;
}

/** Unix seconds; infinite for a locator without a signature, which no expiry can harm. */
function expiryOf(locator: string): number {
  const [, hex] = SIGNATURE_EXPIRY.exec(locator) ?? [];
  return hex === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(hex, 16);
}

async function nameOnTheWay(api: Api, uuid: string): Promise<string> {
  const { name } = await api(`arvados/v1/collections/${uuid}`, { query: { select: ['uuid', 'name'] } });
  return String(name ?? defaultName()).replace(UNFINISHED_SUFFIX, '');
}

function defaultName(): string {
  const time = new Date().toISOString().slice(0, 19).replace('T', ' ');
  return `Saved at ${time} UTC by ${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'somebody';
  }
}
