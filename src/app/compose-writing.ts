import { requireAtLeast } from '../accounts/levels.ts';
import { callCluster } from '../collections/cluster-calls.ts';
import type { Commits } from '../collections/commits.ts';
import { propertiesBelow } from '../collections/edit/metadata-rows.ts';
import { signedRanges } from '../collections/signed-ranges.ts';
import { createUploads, uploadRows } from '../collections/uploads/uploads.ts';
import type { Config } from '../config/config.ts';
import type { WritePlace, Writing } from '../files/writing.ts';
import { KeepError } from '../keep/errors.ts';
import type { Row } from '../records/columns.ts';
import type { EmbeddedApi } from '../surfaces/arvados/call.ts';
import type { AccountDependencies } from './compose-accounts.ts';

type Common = Pick<Writing, 'identify' | 'destination' | 'mayUpload' | 'litter'>;

/** What of a record says where its blocks go. */
const PLACE = ['replication_desired', 'storage_classes_desired'];

/** What the writing methods of WebDAV and S3 use; null where there is no object for the writers of a collection. */
export function composeWriting(
  config: Config,
  { authority, api }: AccountDependencies,
  destination: Writing['destination'],
): Writing | null {
  const common: Common = {
    identify: (token, signal) => authority.identify(token, signal),
    destination,
    mayUpload: config.downloads.mayUpload,
    litter: config.downloads.litter,
  };
  if (api?.mode === 'embedded') return embedded(config, common, api);
  return api?.mode === 'cluster' && api.commits !== null
    ? besideCluster(config, common, api.apiUrl, api.commits)
    : null;
}

function embedded(config: Config, common: Common, { db, collections, commits }: EmbeddedApi): Writing {
  return {
    ...common,
    async requireWritable(uuid, { user }) {
      const { record, isPast, level } = await collections.find(uuid, user, { select: PLACE });
      if (isPast) throw new KeepError('not_found');
      requireAtLeast(level, 'write');
      return placeOf(record, config);
    },
    isPastVersion: (uuid, { user }) =>
      collections.find(uuid, user, { select: [] }).then(
        ({ isPast }) => isPast,
        () => false,
      ),
    commits,
    citable: (_, ranges) => Promise.resolve(ranges),
    uploads: createUploads(uploadRows(db, Date.now), commits, { isOwnersOnly: false }),
    propertiesOf: (uuid, path, depth) => propertiesBelow(db, uuid, path, depth),
    projects: {
      async createCollection(project, name, { user }) {
        await collections.create({ attributes: { name, owner_uuid: project }, manifest: null }, user);
      },
      ...changesOf(commits),
    },
  };
}

/** The cluster judges its writers when a change gets there. */
function besideCluster(config: Config, common: Common, apiUrl: string, commits: Commits): Writing {
  const recordOf = (uuid: string, token: string) =>
    callCluster(apiUrl, token, 'GET', `collections/${uuid}`, {
      select: ['uuid', 'current_version_uuid', ...PLACE],
    });
  const isPast = ({ uuid, current_version_uuid: current }: Row) => typeof current === 'string' && current !== uuid;
  return {
    ...common,
    async requireWritable(uuid, { token }) {
      const record = await recordOf(uuid, token);
      if (isPast(record)) throw new KeepError('not_found');
      return placeOf(record, config);
    },
    isPastVersion: (uuid, { token }) => recordOf(uuid, token).then(isPast, () => false),
    commits,
    citable: signedRanges,
    uploads: createUploads(commits.uploads, commits, { isOwnersOnly: true }),
    propertiesOf: () => Promise.resolve(new Map()),
    projects: {
      async createCollection(project, name, { token }) {
        await callCluster(apiUrl, token, 'POST', 'collections', { collection: { owner_uuid: project, name } });
      },
      ...changesOf(commits),
    },
  };
}

function placeOf(record: Row, config: Config): WritePlace {
  return {
    replicas: Number(record.replication_desired ?? config.defaultReplication),
    storageClasses: (record.storage_classes_desired ?? []) as string[],
  };
}

function changesOf(commits: Commits): Pick<Writing['projects'], 'changeCollection' | 'trashCollection'> {
  return {
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
  };
}
