import type { BlockRange } from '../edit/edits.ts';

/** One part of an upload, as it was stored. */
export interface UploadPart {
  /** 1 to 10,000. */
  number: number;
  /** With quotes. */
  etag: string;
  size: number;
  /** Base64, of the upload's own kind; null where it has none. */
  checksum: string | null;
  /** Unix milliseconds. */
  modified: number;
}

export interface StoredPart extends UploadPart {
  ranges: BlockRange[];
}

interface PartRow {
  number: number;
  etag: string;
  size: number;
  checksum: string | null;
  modified: number;
  ranges: string;
  [column: string]: SqlStorageValue;
}

const COLUMNS = 'number, etag, size, checksum, modified';
/** Parts that are read together have so many ranges, or are one: copies may be made of very many. */
const RANGES_AT_ONCE = 20_000;

/** The parts of a collection's uploads, in the SQLite of its Durable Object. */
export function createPartRows({ sql }: Pick<DurableObjectStorage, 'sql'>) {
  sql.exec(
    `CREATE TABLE IF NOT EXISTS upload_parts (
       upload TEXT NOT NULL, number INTEGER NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL, checksum TEXT,
       modified INTEGER NOT NULL, ranges TEXT NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID`,
  );
  return {
    /** Takes the place of a part with the same number. */
    put(upload: string, { number, etag, size, checksum, modified, ranges }: StoredPart): void {
      sql.exec(
        `INSERT OR REPLACE INTO upload_parts (upload, ${COLUMNS}, ranges) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        upload,
        number,
        etag,
        size,
        checksum,
        modified,
        ranges.map(printRange).join(' '),
      );
    },
    list(upload: string, after: number, limit: number): UploadPart[] {
      const query = `SELECT ${COLUMNS} FROM upload_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?`;
      return sql.exec<Omit<PartRow, 'ranges'>>(query, upload, after, limit).toArray() as unknown as UploadPart[];
    },
    /** The next parts, at least one if there are more. */
    withRanges(upload: string, after: number, limit: number): StoredPart[] {
      const query = `SELECT ${COLUMNS}, ranges FROM upload_parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?`;
      const parts: StoredPart[] = [];
      let count = 0;
      for (const { ranges: text, ...part } of sql.exec<PartRow>(query, upload, after, limit)) {
        const ranges = parseRanges(text);
        count += ranges.length;
        if (parts.length > 0 && count > RANGES_AT_ONCE) break;
        parts.push({ ...part, ranges });
      }
      return parts;
    },
    /** Of one part; none of one that is not there. */
    rangesOf(upload: string, number: number): BlockRange[] {
      const query = 'SELECT ranges FROM upload_parts WHERE upload = ? AND number = ?';
      const [row] = sql.exec<{ ranges: string }>(query, upload, number).toArray();
      return parseRanges(row?.ranges ?? '');
    },
    drop(uploads: readonly string[]): void {
      for (const upload of uploads) sql.exec('DELETE FROM upload_parts WHERE upload = ?', upload);
    },
  };
}

export type PartRows = ReturnType<typeof createPartRows>;

/** A whole block is its locator; a part of one says which. */
function printRange({ locator, offset, length }: BlockRange): string {
  const isWhole = offset === 0 && length === Number(locator.split('+')[1]);
  return isWhole ? locator : `${locator},${offset},${length}`;
}

function parseRanges(text: string): BlockRange[] {
  return text === '' ? [] : text.split(' ').map(parseRange);
}

function parseRange(text: string): BlockRange {
  const [locator = '', offset = '0', length = locator.split('+')[1]] = text.split(',');
  return { locator, offset: Number(offset), length: Number(length) };
}
