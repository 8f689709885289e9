import { createHash } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plural } from '../../keep/human-format.ts';
import { bareLocator, parseLocator, stripSignature } from '../../keep/locator.ts';
import { allRecords } from '../all-records.ts';
import type { Row } from '../api-client.ts';
import { loadManifest, locatorsIn } from '../collection.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import { makeDirectories } from '../fs-path.ts';
import { showProgress } from '../progress.ts';
import type { Session } from '../session.ts';
import { oneLine } from '../terminal.ts';
import { blockFile, FORMAT, withLocators, writeList } from './export-files.ts';

export interface ExportResult {
  collections: number;
  blocks: number;
  /** Blocks that were there from an earlier, interrupted export. */
  known: number;
  failed: number;
}

export interface ExportOptions {
  /** Blocks at once, each in memory. */
  jobs: number;
  quiet: boolean;
}

/** Writes all that the token may read. Blocks that are there already are not fetched again. */
export async function exportCluster(
  { api, keep }: Session,
  directory: string,
  { jobs, quiet }: ExportOptions,
): Promise<ExportResult> {
  makeDirectories(join(directory, 'blocks'), 0o700);
  const result: ExportResult = { collections: 0, blocks: 0, known: 0, failed: 0 };
  let bytes = 0;
  const progress = showProgress(
    () => ({
      bytesDone: bytes,
      bytesTotal: null,
      bytesMoved: bytes,
      note: `${plural(result.collections, 'collection')}, ${plural(result.blocks + result.known, 'block')}`,
    }),
    { quiet },
  );
  try {
    const { uuid } = await api('arvados/v1/users/current');
    const header = JSON.stringify({ format: FORMAT, cluster: String(uuid).slice(0, 5) });
    writeFileSync(join(directory, 'export.json'), header, { mode: 0o600 });
    for (const list of ['users', 'groups'] as const) await writeList(directory, list, allRecords(api, list));
    const permissions = allRecords(api, 'links', { filters: [['link_class', '=', 'permission']] });
    await writeList(directory, 'links', permissions);
    await writeList(directory, 'collections', collections());
  } finally {
    progress.stop();
  }
  return result;

  async function* collections(): AsyncGenerator<Row, void, undefined> {
    for await (const { uuid: own } of allRecords(api, 'collections', { select: ['uuid'] })) {
      try {
        const { record, manifest } = await loadManifest(api, String(own));
        await fetchBlocks(manifest);
        result.collections++;
        yield { ...record, manifest_text: withLocators(manifest, stripSignature) };
      } catch (error) {
        result.failed++;
        progress.say(oneLine(`${own}: ${messageOf(error)}`));
      }
    }
  }

  async function fetchBlocks(manifest: string): Promise<void> {
    const wanted = new Map<string, string>();
    locatorsIn(manifest, (locator) => wanted.set(parseLocator(locator).hash, locator));
    const remaining = wanted.entries();
    const lane = async () => {
      for (const [hash, locator] of remaining) {
        const file = blockFile(directory, hash);
        if (existsSync(file)) {
          result.known++;
          continue;
        }
        const block = await keep.getVerified(locator);
        if (createHash('md5').update(block).digest('hex') !== hash) throw new Error(`${bareLocator(locator)} is wrong`);
        makeDirectories(join(file, '..'), 0o700);
        writeFileSync(`${file}.part`, block, { mode: 0o600 });
        renameSync(`${file}.part`, file);
        result.blocks++;
        bytes += block.byteLength;
      }
    };
    await Promise.all(Array.from({ length: jobs }, lane));
  }
}
