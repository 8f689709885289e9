import { requireLevel } from '../accounts/permissions.ts';
import type { BodyDestination } from '../blocks/body-blocks.ts';
import { writeBlock } from '../blocks/write-block.ts';
import { propertiesBelow } from '../collections/edit/metadata-rows.ts';
import type { Config } from '../config/config.ts';
import type { Writing } from '../files/writing.ts';
import { KeepError } from '../keep/errors.ts';
import type { Mount } from '../storage/mounts.ts';
import type { AccountDependencies } from './compose-accounts.ts';

/** What the writing methods of WebDAV use; null where collections are not kept here. */
export function composeWriting(
  config: Config,
  { authority, api, recordUpload }: AccountDependencies,
  mounts: Mount[],
): Writing | null {
  if (api?.mode !== 'embedded') return null;
  const { db, collections, commits } = api;
  return {
    identify: (token, signal) => authority.identify(token, signal),
    async requireWritable(uuid, { user }) {
      const { record, isPast } = await collections.find(uuid, user);
      if (isPast) throw new KeepError('not_found');
      await requireLevel(db, user, uuid, 'write');
      return {
        replicas: Number(record.replication_desired ?? config.defaultReplication),
        storageClasses: (record.storage_classes_desired ?? []) as unknown as string[],
      };
    },
    isPastVersion: (uuid, { user }) =>
      collections.find(uuid, user).then(
        ({ isPast }) => isPast,
        () => false,
      ),
    commits,
    destination: (context, { user }, { replicas, storageClasses }): BodyDestination => ({
      aside: mounts.find((mount) => mount.allowWrite)?.store,
      async storeBlock({ hash, size, body }) {
        const { signal } = context;
        await writeBlock(mounts, { hash, size, body, desired: replicas, storageClasses, signal });
        recordUpload(context, hash, size, user.uuid);
        return `${hash}+${size}`;
      },
    }),
    propertiesOf: (uuid, path, depth) => propertiesBelow(db, uuid, path, depth),
    projects: {
      async createCollection(project, name, user) {
        await collections.create({ attributes: { name, owner_uuid: project }, manifest: null }, user);
      },
      changeCollection: (uuid, attributes, writer) =>
        commits.change(uuid, { writer, action: 'update', attributes, manifest: null, ensureUniqueName: false }),
      trashCollection: (uuid, writer, portableDataHash) =>
        commits.change(uuid, {
          writer,
          action: 'trash',
          attributes: {},
          manifest: null,
          ensureUniqueName: false,
          ...(portableDataHash === undefined ? {} : { portableDataHash }),
        }),
    },
    mayUpload: config.downloads.mayUpload,
    litter: config.downloads.litter,
  };
}
