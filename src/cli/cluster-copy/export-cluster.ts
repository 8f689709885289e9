import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bareLocator, parseLocator, stripSignature } from '../../keep/locator.ts';
import { allRecords } from '../all-records.ts';
import type { Row } from '../api-client.ts';
import { loadManifest, locatorsIn } from '../collection.ts';
import { messageOf } from '../commands/doctor-checks.ts';
import type { Session } from '../session.ts';
import { note } from '../terminal.ts';

/** The layout of an export: lists of records, one JSON a line, and blocks by their names. */
export const LISTS = ['users', 'groups', 'links', 'collections'] as const;
export const FORMAT = 1;

export interface ExportResult {
  collections: number;
  blocks: number;
  /** Blocks that were there from an earlier, interrupted export. */
  known: number;
  failed: number;
}

export function blockFile(directory: string, hash: string): string {
  return join(directory, 'blocks', hash.slice(0, 3), hash);
}

/** Writes all that the token may read. Blocks that are there already are not fetched again. */
export async function exportCluster({ api, keep }: Session, directory: string, jobs: number): Promise<ExportResult> {
  mkdirSync(join(directory, 'blocks'), { recursive: true, mode: 0o700 });
  const result: ExportResult = { collections: 0, blocks: 0, known: 0, failed: 0 };
  const { uuid } = await api('arvados/v1/users/current');
  writeFileSync(join(directory, 'export.json'), JSON.stringify({ format: FORMAT, cluster: String(uuid).slice(0, 5) }));
  for (const list of ['users', 'groups'] as const) await writeList(list, allRecords(api, list));
  await writeList('links', allRecords(api, 'links', { filters: [['link_class', '=', 'permission']] }));
  await writeList('collections', collections());
  return result;

  async function writeList(list: string, rows: AsyncIterable<Row>): Promise<void> {
    const lines: string[] = [];
    for await (const row of rows) lines.push(JSON.stringify(row));
    writeFileSync(join(directory, `${list}.jsonl`), lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  }

  async function* collections(): AsyncGenerator<Row, void, undefined> {
    for await (const { uuid: own } of allRecords(api, 'collections', { select: ['uuid'] })) {
      try {
        const { record, manifest } = await loadManifest(api, String(own));
        await fetchBlocks(manifest);
        result.collections++;
        yield { ...record, manifest_text: manifest.replace(/\S+\+A\S+/g, (locator) => stripSignature(locator)) };
      } catch (error) {
        result.failed++;
        note(`${own}: ${messageOf(error)}`);
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
        const bytes = await keep.getVerified(locator);
        if (createHash('md5').update(bytes).digest('hex') !== hash) throw new Error(`${bareLocator(locator)} is wrong`);
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(`${file}.part`, bytes, { mode: 0o600 });
        renameSync(`${file}.part`, file);
        result.blocks++;
      }
    };
    await Promise.all(Array.from({ length: jobs }, lane));
  }
}
