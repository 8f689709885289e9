import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHeldBudget } from '../../../../src/streams/held-budget.ts';
import type { Part } from '../../../../src/streams/part.ts';
import { reserveRows, type ZipFiles, zipArchive } from '../../../../src/streams/zip/archive.ts';
import { zipEntries } from '../../../support/zip-entries.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const signal = new AbortController().signal;

async function collect(parts: Iterable<Part>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (const part of parts) {
    const chunk = part instanceof Uint8Array ? part : await part.open(signal);
    if (!(chunk instanceof Uint8Array)) throw new Error('only bytes here');
    expect(chunk.byteLength).toBe(part instanceof Uint8Array ? part.byteLength : part.length);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function archiveOf(contents: [string, Uint8Array][], comment = '') {
  const files: ZipFiles = {
    slice: (i, { offset, length }) => [contents[i]![1].subarray(offset, offset + length)],
    checksum: async (i) => crc32(contents[i]![1]),
    checksums: async (first, end) => Uint32Array.from(contents.slice(first, end), ([, bytes]) => crc32(bytes)),
  };
  return zipArchive(zipEntries(contents.map(([name, bytes]) => ({ name, size: bytes.byteLength }))), comment, files);
}

const MIB = 2 ** 20;

/** Reads an archive by its central directory, as APPNOTE says, 32-bit forms only. */
function readZip(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  let at = bytes.byteLength - 22;
  while (u32(at) !== 0x06054b50) at--;
  const comment = new TextDecoder().decode(bytes.subarray(at + 22, at + 22 + u16(at + 20)));
  const entries: { name: string; data: Uint8Array; crc: number; flags: number }[] = [];
  for (let entry = u32(at + 16), i = 0; i < u16(at + 10); i++) {
    expect(u32(entry)).toBe(0x02014b50);
    const start = u32(entry + 42);
    expect(u32(start)).toBe(0x04034b50);
    const size = u32(entry + 24);
    const dataStart = start + 30 + u16(start + 26) + u16(start + 28);
    expect(u32(dataStart + size)).toBe(0x08074b50);
    expect(u32(dataStart + size + 4)).toBe(u32(entry + 16));
    const name = new TextDecoder().decode(bytes.subarray(entry + 46, entry + 46 + u16(entry + 28)));
    entries.push({
      name,
      data: bytes.subarray(dataStart, dataStart + size),
      crc: u32(entry + 16),
      flags: u16(entry + 8),
    });
    entry += 46 + u16(entry + 28) + u16(entry + 30) + u16(entry + 32);
  }
  return { entries, comment };
}

describe('an archive', () => {
  const contents: [string, Uint8Array][] = [
    ['collection.json', utf8('{}\n')],
    ['dir1/ä ☃.txt', utf8('snow')],
    ['empty', utf8('')],
    ['z', utf8('last')],
  ];

  test('holds every file stored, with checksum and UTF-8 name, and the comment', async () => {
    const archive = archiveOf(contents, 'Downloaded from ⛵');
    const { entries, comment } = readZip(await collect(archive.slice({ offset: 0, length: archive.length })));
    expect(entries.map((entry) => [entry.name, new Uint8Array(entry.data)])).toEqual(contents);
    expect(entries.map((entry) => entry.crc)).toEqual(contents.map(([, bytes]) => crc32(bytes)));
    expect(entries.every((entry) => entry.flags === 0x808)).toBe(true);
    expect(comment).toBe('Downloaded from ⛵');
  });

  test('of no files is the end record alone', async () => {
    const archive = archiveOf([]);
    expect(archive.length).toBe(22);
    expect(readZip(await collect(archive.slice({ offset: 0, length: 22 }))).entries).toEqual([]);
  });

  test('has the length that was announced, and any range of it is that range of the whole', async () => {
    const name = fc.stringMatching(/^[a-zä☃]{1,20}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 50 })), { maxLength: 300, size: 'max' }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (list, a, b) => {
          const archive = archiveOf(list);
          const whole = await collect(archive.slice({ offset: 0, length: archive.length }));
          expect(whole.byteLength).toBe(archive.length);
          const offset = Math.floor(a * archive.length);
          const length = Math.floor(b * (archive.length - offset));
          expect(await collect(archive.slice({ offset, length }))).toEqual(whole.slice(offset, offset + length));
        },
      ),
      { numRuns: 30 },
    );
  });

  test('asks for no file before the range, and for no checksum that the range does not hold', async () => {
    const asked: string[] = [];
    const files: ZipFiles = {
      slice: (i, range) => {
        asked.push(`slice ${i} ${range.offset}+${range.length}`);
        return [new Uint8Array(range.length)];
      },
      checksum: async (i) => {
        asked.push(`checksum ${i}`);
        return 0;
      },
      checksums: async (first, end) => {
        asked.push(`checksums ${first}-${end}`);
        return new Uint32Array(end - first);
      },
    };
    const archive = zipArchive(zipEntries([1, 2, 3].map((i) => ({ name: `f${i}`, size: 100 }))), '', files);
    const entry = 30 + 2 + 100 + 16;
    await collect(archive.slice({ offset: entry + 32 + 40, length: 60 + 16 + 32 + 10 }));
    expect(asked).toEqual(['slice 1 40+60', 'checksum 1', 'slice 2 0+10']);
  });
});

describe('an archive beyond the 32-bit forms', () => {
  const GiB = 2 ** 30;
  const planOnly: ZipFiles = {
    slice: (_, range) => [{ length: range.length, open: () => Promise.reject(new Error('not read')) }],
    checksum: async () => 0x12345678,
    checksums: async (first, end) => new Uint32Array(end - first).fill(0x12345678),
  };
  const read = async (archive: ReturnType<typeof zipArchive>, offset: number, length: number) =>
    collect(archive.slice({ offset, length }));

  test('writes 64-bit sizes for a file of 4 GiB and more, and 32-bit ones for one byte less', async () => {
    const [at, below] = [0xffffffff, 0xfffffffe].map((size) =>
      zipArchive(zipEntries([{ name: 'f', size }]), '', planOnly),
    );
    const header = new DataView((await read(at!, 0, 51)).buffer);
    expect(header.getUint16(4, true)).toBe(45);
    expect(header.getUint32(18, true)).toBe(0xffffffff);
    expect([header.getUint16(31, true), header.getUint16(33, true)]).toEqual([1, 16]);
    expect(header.getBigUint64(35, true)).toBe(0xffffffffn);
    const descriptor = new DataView((await read(at!, 51 + 0xffffffff, 24)).buffer);
    expect(descriptor.getUint32(4, true)).toBe(0x12345678);
    expect(descriptor.getBigUint64(8, true)).toBe(0xffffffffn);
    expect(below!.length).toBe(31 + 0xfffffffe + 16 + 47 + 76 + 22);
  });

  test('says where a file begins with 64 bits when that is beyond 4 GiB', async () => {
    const archive = zipArchive(zipEntries([5 * GiB, 3].map((size, i) => ({ name: `f${i}`, size }))), '', planOnly);
    const second = 30 + 2 + 20 + 5 * GiB + 24;
    const directory = second + 30 + 2 + 3 + 16;
    const records = await read(archive, directory, archive.length - directory);
    const view = new DataView(records.buffer);
    const secondRecord = 46 + 2 + 20;
    expect(view.getUint32(secondRecord + 42, true)).toBe(0xffffffff);
    expect(view.getBigUint64(secondRecord + 46 + 2 + 4, true)).toBe(BigInt(second));
    const zip64End = secondRecord + 46 + 2 + 12;
    expect(view.getUint32(zip64End, true)).toBe(0x06064b50);
    expect(view.getBigUint64(zip64End + 48, true)).toBe(BigInt(directory));
    expect(view.getBigUint64(zip64End + 56 + 8, true)).toBe(BigInt(directory + zip64End));
  });

  test('counts 65,535 files and more with 64 bits', async () => {
    const entries = Array.from({ length: 70_000 }, (_, i) => ({ name: `${i}`, size: 0 }));
    const archive = zipArchive(zipEntries(entries), '', planOnly);
    const tail = new DataView((await read(archive, archive.length - 98, 98)).buffer);
    expect(tail.getUint32(0, true)).toBe(0x06064b50);
    expect(tail.getBigUint64(24, true)).toBe(70_000n);
    expect(tail.getUint16(76 + 8, true)).toBe(0xffff);
  });
});

describe('memory', () => {
  test('of records is bounded where names are long, and they stay whole, wherever one begins to read', async () => {
    const contents = Array.from({ length: 150 }, (_, i): [string, Uint8Array] => [
      `${i}${'n'.repeat(i < 10 ? 60_000 : 9)}`,
      utf8(`content ${i}`),
    ]);
    const archive = archiveOf(contents);
    const whole = { offset: 0, length: archive.length };
    for (const part of archive.slice(whole)) expect(part.length).toBeLessThanOrEqual(256 * 1024);
    const bytes = await collect(archive.slice(whole));
    expect(readZip(bytes).entries.map(({ name, data }) => [name, data])).toEqual(contents);
    for (const back of [30, 1000, 100_000, 500_000, 700_000]) {
      const offset = archive.length - back;
      expect(await collect(archive.slice({ offset, length: back }))).toEqual(bytes.subarray(offset));
    }
  });

  test('of rows is shared among the archives that are sent at once, and there again when they have ended', () => {
    const budget = createHeldBudget();
    const archives = Array.from({ length: 300 }, () => {
      const held = budget.reserve();
      return { held, rowBytes: reserveRows(held) };
    });
    const total = (count: number) => archives.slice(0, count).reduce((sum, { rowBytes }) => sum + 2 * rowBytes, 0);
    expect(archives[0]!.rowBytes).toBe(MIB / 2);
    expect(total(100)).toBeLessThanOrEqual(48 * MIB);
    expect(total(300)).toBeLessThanOrEqual(80 * MIB);
    for (const { held } of archives) held.release();
    expect(reserveRows(budget.reserve())).toBe(MIB / 2);
  });
});
