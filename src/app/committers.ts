import { canManage, levelOf } from '../accounts/permissions.ts';
import { mergeFileLog } from '../backups/file-log.ts';
import { storeBody } from '../blocks/store-body.ts';
import { writeBlock } from '../blocks/write-block.ts';
import { type BackupSweepContext, sweepBackups } from '../collections/backup-sweep.ts';
import { callCluster } from '../collections/cluster-calls.ts';
import type { WholeChange } from '../collections/commits.ts';
import { commitAtCluster } from '../collections/edit/cluster-batch.ts';
import { commitBatch, type EditOutcome } from '../collections/edit/commit-batch.ts';
import type { EditRequest, Writer } from '../collections/edit/edits.ts';
import type { Lock } from '../collections/edit/locks.ts';
import { commitPacking, type Packing, packSmallBlocks, type RepackContext } from '../collections/edit/repack.ts';
import { eraseCollection } from '../collections/erase.ts';
import type { Env } from '../config/env.ts';
import { KeepError } from '../keep/errors.ts';
import type { Dependencies } from './composition.ts';

/** Where the changes of a collection go that its Durable Object has brought into their order. */
export interface Committer {
  edits(uuid: string, requests: EditRequest[], locks: Lock[]): Promise<EditOutcome[]>;
  /** @throws KeepError not_found, forbidden, invalid_record, unauthorized */
  change(uuid: string, change: WholeChange): Promise<void>;
  mayManage(uuid: string, writer: Writer): Promise<boolean>;
  /** @returns whether there was anything */
  erase(uuid: string): Promise<boolean>;
  /** Deletes backups that are no longer needed. @returns when to come again, in Unix milliseconds; null for never */
  sweepBackups(uuid: string): Promise<number | null>;
  /** Copies small blocks into a new one. Null when there is nothing to pack. */
  pack(uuid: string): Promise<Packing | null>;
  /** @returns whether the collection has it now */
  commitPacking(uuid: string, packing: Packing): Promise<boolean>;
  /** How long a collection must have been left alone to be packed, in milliseconds; null where nothing is. */
  repackIdleMs: number | null;
  /** Whether what is kept of a file beside its content is committed with it. */
  keepsMetadata: boolean;
  /** When the first backup that a commit supersedes can go, in milliseconds from then; null where there are none. */
  supersededMs: number | null;
}

/** On our own D1. */
export function embeddedCommitter(deps: Dependencies, { MANIFESTS: manifests }: Env): Committer {
  const { config, api } = deps;
  if (api?.mode !== 'embedded') throw new KeepError('not_configured');
  if (manifests === undefined) throw new Error('collections need the binding MANIFESTS');
  const { collections, db } = api;
  const sweeping: BackupSweepContext = {
    db,
    manifests,
    now: Date.now,
    supersededSeconds: config.blobSigningTtlSeconds,
    deletedSeconds: config.backupLifetimeSeconds,
  };
  return {
    edits: (uuid, requests, locks) =>
      commitBatch(uuid, requests, {
        db,
        manifests,
        now: Date.now,
        versions: config.versions,
        locks: () => locks,
        columnsOf: (before, attributes, user) => collections.attributeColumns(before, attributes, user),
      }),
    async change(uuid, { writer, action, attributes, manifest, ensureUniqueName, restores, portableDataHash }) {
      if (action === 'trash') await collections.trash(uuid, writer, portableDataHash);
      else if (action === 'untrash') await collections.untrash(uuid, writer, ensureUniqueName);
      else {
        const change = { attributes, manifest, ensureUniqueName, ...(restores === undefined ? {} : { restores }) };
        await collections.update(uuid, change, writer);
      }
    },
    mayManage: async (uuid, { user }) => canManage(await levelOf(db, user, uuid)),
    erase: (uuid) => eraseCollection(uuid, { db, manifests }),
    async sweepBackups(uuid) {
      await mergeFileLog(manifests, uuid);
      return sweepBackups(uuid, sweeping);
    },
    keepsMetadata: true,
    supersededMs: config.blobSigningTtlSeconds * 1000,
    repackIdleMs: config.repackIdleSeconds > 0 && deps.mounts.length > 0 ? config.repackIdleSeconds * 1000 : null,
    pack: (uuid) => packSmallBlocks(uuid, repackContext(deps, db, manifests)),
    commitPacking: (uuid, packing) => commitPacking(uuid, packing, repackContext(deps, db, manifests)),
  };
}

function repackContext(
  { config, mounts, downloads, writeDigests }: Dependencies,
  db: D1Database,
  manifests: R2Bucket,
): RepackContext {
  return {
    db,
    manifests,
    now: Date.now,
    versions: config.versions,
    idleSeconds: config.repackIdleSeconds,
    openBlock(hash, size, signal) {
      if (downloads === null) throw new KeepError('not_configured');
      const caller = { token: '', requestId: '', now: Date.now() / 1000, signal };
      return downloads.openBlock({ hash, size, hints: '', number: 0 }, { offset: 0, length: size }, caller);
    },
    storeBody: (body, length, row) =>
      storeBody(
        body,
        { length, isNative: true },
        {
          aside: mounts.find((mount) => mount.allowWrite)?.store,
          async storeBlock({ hash, size, body: block }) {
            await writeBlock(mounts, {
              hash,
              size,
              body: block,
              desired: Number(row.replication_desired ?? config.defaultReplication),
              storageClasses: JSON.parse(String(row.storage_classes_desired)) as string[],
              signal: new AbortController().signal,
              digests: writeDigests,
            });
            return `${hash}+${size}`;
          },
        },
      ),
  };
}

/** At a cluster's API server, with the writers' own tokens. */
export function clusterCommitter(apiUrl: string): Committer {
  return {
    edits: (uuid, requests, locks) => commitAtCluster(apiUrl, uuid, requests, locks),
    async change(uuid, { writer, action, attributes, portableDataHash }) {
      if (action === 'trash') {
        if (portableDataHash !== undefined) await requireContent(apiUrl, uuid, writer.token, portableDataHash);
        await callCluster(apiUrl, writer.token, 'DELETE', `collections/${uuid}`, {});
      } else if (action === 'update')
        await callCluster(apiUrl, writer.token, 'PATCH', `collections/${uuid}`, { collection: attributes });
      else throw new KeepError('internal');
    },
    async mayManage(uuid, { user, token }) {
      const { owner_uuid } = await callCluster(apiUrl, token, 'GET', `collections/${uuid}`, { select: ['owner_uuid'] });
      return user.isAdmin || owner_uuid === user.uuid;
    },
    erase: () => Promise.reject(new KeepError('not_configured')),
    sweepBackups: () => Promise.resolve(null),
    keepsMetadata: false,
    supersededMs: null,
    // The cluster's keep-web packs its own.
    repackIdleMs: null,
    pack: () => Promise.resolve(null),
    commitPacking: () => Promise.resolve(false),
  };
}

/** As far as these writers go: the cluster has no such condition. */
async function requireContent(apiUrl: string, uuid: string, token: string, hash: string): Promise<void> {
  const { portable_data_hash } = await callCluster(apiUrl, token, 'GET', `collections/${uuid}`, {
    select: ['portable_data_hash'],
  });
  if (portable_data_hash !== hash)
    throw new KeepError('precondition_failed', {
      message: 'the collection was changed meanwhile: look, then try again',
    });
}
