import type { Api, Row } from '../api-client.ts';
import { ApiError } from '../api-client.ts';
import { usageError } from '../cli-error.ts';
import type { Command, Given } from '../command.ts';
import { FEW_RETRIES, quickRetryPolicy } from '../retries.ts';
import { openSession } from '../session.ts';
import { jsonLine, print, showName } from '../terminal.ts';

export const versions: Command = {
  name: 'versions',
  summary: 'list the versions of a collection',
  usage: 'UUID [options]',
  forms: { '': [1, 1] },
  options: {
    json: { value: null, help: 'one JSON object a line' },
    retries: FEW_RETRIES,
  },
  help: `
Newest first: number, UUID, time of the change, number of files, bytes and name. Each UUID can be read like a collection:
keep-edge get UUID. UUID may be that of any of the versions.`,
  run: runVersions,
};

export const restoreVersion: Command = {
  name: 'restore-version',
  summary: 'make a collection what a past version of it was',
  usage: 'VERSION_UUID',
  forms: { '': [1, 1] },
  options: { retries: FEW_RETRIES },
  help: `
Files, name, description and properties become those of the version. The state before is kept as a version in its turn
where the service keeps versions. Find UUIDs with: keep-edge versions UUID`,
  run: runRestore,
};

const PAGE = 1000;

async function runVersions(given: Given): Promise<number> {
  const [uuid = ''] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const { current_version_uuid } = await recordOf(session.api, uuid);
    for await (const record of versionsOf(session.api, String(current_version_uuid)))
      print(given.has('json') ? jsonLine(record) : lineOf(record));
    return 0;
  } finally {
    session.close();
  }
}

async function* versionsOf(api: Api, current: string): AsyncGenerator<Row> {
  for (let below: number | null = null; ; ) {
    const filters: unknown[] = [['current_version_uuid', '=', current]];
    if (below !== null) filters.push(['version', '<', below]);
    const { items } = (await api('arvados/v1/collections', {
      query: {
        include_old_versions: true,
        filters,
        order: 'version desc',
        limit: PAGE,
        count: 'none',
        select: ['uuid', 'version', 'modified_at', 'file_count', 'file_size_total', 'name', 'portable_data_hash'],
      },
    })) as { items: Row[] };
    yield* items;
    if (items.length === 0) return;
    below = Number(items.at(-1)?.version);
  }
}

function lineOf({ version, uuid, modified_at, file_count, file_size_total, name }: Row): string {
  const numbers = `${String(file_count).padStart(9)} ${String(file_size_total).padStart(15)}`;
  return `${String(version).padStart(5)} ${uuid} ${String(modified_at).slice(0, 19)}Z ${numbers} ${showName(String(name ?? ''))}`;
}

async function runRestore(given: Given): Promise<number> {
  const [uuid = ''] = given.arguments;
  const session = openSession({ retry: quickRetryPolicy(given) });
  try {
    const record = await recordOf(session.api, uuid);
    const current = String(record.current_version_uuid);
    if (current === uuid)
      throw usageError(`${uuid} is the current version. Others are listed by: keep-edge versions ${uuid}`);
    await restore(session.api, uuid, current);
    print(`${current} is what version ${record.version} was.`);
    return 0;
  } finally {
    session.close();
  }
}

/** A cluster's API server has no such call: there the version's record is saved as the collection's. */
async function restore(api: Api, uuid: string, current: string): Promise<void> {
  try {
    await api(`arvados/v1/collections/${uuid}/restore_version`, { method: 'POST', body: {} });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const { manifest_text, name, description, properties } = await api(`arvados/v1/collections/${uuid}`);
    const collection = { manifest_text, name, description, properties };
    await api(`arvados/v1/collections/${current}`, { method: 'PUT', body: { collection } });
  }
}

function recordOf(api: Api, uuid: string): Promise<Row> {
  return api(`arvados/v1/collections/${encodeURIComponent(uuid)}`, {
    query: { select: ['uuid', 'version', 'current_version_uuid'] },
  });
}
