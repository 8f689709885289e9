import { isUtf8 } from '../../keep/manifest/names.ts';

/**
 * The records of a ZIP archive (PKWARE APPNOTE 6.3.x) as this service writes them: stored, never deflated; sizes in
 * the local header, the checksum behind the data, because it is known only then; 64-bit forms where the numbers ask
 * for them. All bytes depend on names and sizes alone, but for the checksums: so an archive's length is known, and
 * any range of it can be made, before a file is read.
 */

/** One file of an archive. */
export interface ZipEntry {
  /** Relative, slashes between components; UTF-8 or any other bytes. At most 65,535 bytes. */
  name: Uint8Array;
  /** Bytes. */
  size: number;
}

/** What the layout of an archive needs of an entry. */
export interface EntrySize {
  nameBytes: number;
  size: number;
}

const MAX_16 = 0xffff;
const MAX_32 = 0xffffffff;
const VERSION_STORED = 20;
const VERSION_ZIP64 = 45;
/** Made on Unix, so that readers take the mode bits below. */
const MADE_BY = (3 << 8) | VERSION_ZIP64;
/** Bit 3: the checksum stands in a data descriptor. */
const DESCRIPTOR_FLAG = 0x0008;
/** Bit 11: the name is UTF-8. Where that is not true, Python and Java refuse the whole archive. */
const UTF8_FLAG = 0x0800;
/** 1980-01-01, the first day that the format knows: a collection has no times of its own for files. */
const DOS_DATE = 0x0021;
/** A regular file, rw-r--r--. */
const MODE = 0o100644;

const LOCAL_HEADER = 30;
const LOCAL_ZIP64_EXTRA = 20;
const DIRECTORY_HEADER = 46;
const END_RECORD = 22;
const ZIP64_END = 56 + 20;

const isLarge = (entry: { size: number }) => entry.size >= MAX_32;

export function sizeOfEntry({ name, size }: ZipEntry): EntrySize {
  return { nameBytes: name.byteLength, size };
}

const flagsOf = ({ name }: ZipEntry) => DESCRIPTOR_FLAG | (isUtf8(name) ? UTF8_FLAG : 0);

export function localHeaderLength(entry: EntrySize): number {
  return LOCAL_HEADER + entry.nameBytes + (isLarge(entry) ? LOCAL_ZIP64_EXTRA : 0);
}

export function putLocalHeader(w: RecordWriter, entry: ZipEntry): void {
  const large = isLarge(entry);
  w.u32(0x04034b50);
  w.u16(large ? VERSION_ZIP64 : VERSION_STORED);
  w.u16(flagsOf(entry));
  w.u16(0);
  w.u16(0);
  w.u16(DOS_DATE);
  w.u32(0);
  w.u32(large ? MAX_32 : entry.size);
  w.u32(large ? MAX_32 : entry.size);
  w.u16(entry.name.byteLength);
  w.u16(large ? LOCAL_ZIP64_EXTRA : 0);
  w.bytes(entry.name);
  if (large) {
    w.u16(1);
    w.u16(16);
    w.u64(entry.size);
    w.u64(entry.size);
  }
}

export function descriptorLength(entry: { size: number }): number {
  return isLarge(entry) ? 24 : 16;
}

export function putDescriptor(w: RecordWriter, entry: { size: number }, crc: number): void {
  w.u32(0x08074b50);
  w.u32(crc);
  const size = isLarge(entry) ? w.u64 : w.u32;
  size(entry.size);
  size(entry.size);
}

/** @param start where the entry's local header begins in the archive */
export function directoryHeaderLength(entry: EntrySize, start: number): number {
  return DIRECTORY_HEADER + entry.nameBytes + directoryExtraLength(entry, start);
}

function directoryExtraLength(entry: { size: number }, start: number): number {
  const length = (isLarge(entry) ? 16 : 0) + (start >= MAX_32 ? 8 : 0);
  return length === 0 ? 0 : 4 + length;
}

export function putDirectoryHeader(w: RecordWriter, entry: ZipEntry, start: number, crc: number): void {
  const large = isLarge(entry);
  const far = start >= MAX_32;
  const extra = directoryExtraLength(entry, start);
  w.u32(0x02014b50);
  w.u16(MADE_BY);
  w.u16(large || far ? VERSION_ZIP64 : VERSION_STORED);
  w.u16(flagsOf(entry));
  w.u16(0);
  w.u16(0);
  w.u16(DOS_DATE);
  w.u32(crc);
  w.u32(large ? MAX_32 : entry.size);
  w.u32(large ? MAX_32 : entry.size);
  w.u16(entry.name.byteLength);
  w.u16(extra);
  w.u16(0);
  w.u16(0);
  w.u16(0);
  w.u32(MODE * 0x10000);
  w.u32(far ? MAX_32 : start);
  w.bytes(entry.name);
  if (extra > 0) {
    w.u16(1);
    w.u16(extra - 4);
    if (large) {
      w.u64(entry.size);
      w.u64(entry.size);
    }
    if (far) w.u64(start);
  }
}

/** Where the central directory lies: what the end of an archive says. */
export interface Directory {
  entries: number;
  start: number;
  length: number;
}

const needsZip64End = ({ entries, start, length }: Directory) =>
  entries >= MAX_16 || start >= MAX_32 || length >= MAX_32;

export function endLength(directory: Directory, comment: Uint8Array): number {
  return (needsZip64End(directory) ? ZIP64_END : 0) + END_RECORD + comment.byteLength;
}

/** @param comment at most 65,535 bytes */
export function end(directory: Directory, comment: Uint8Array): Uint8Array {
  const { entries, start, length } = directory;
  const w = recordWriter(endLength(directory, comment));
  if (needsZip64End(directory)) {
    w.u32(0x06064b50);
    w.u64(44);
    w.u16(MADE_BY);
    w.u16(VERSION_ZIP64);
    w.u32(0);
    w.u32(0);
    w.u64(entries);
    w.u64(entries);
    w.u64(length);
    w.u64(start);
    w.u32(0x07064b50);
    w.u32(0);
    w.u64(start + length);
    w.u32(1);
  }
  w.u32(0x06054b50);
  w.u16(0);
  w.u16(0);
  w.u16(Math.min(entries, MAX_16));
  w.u16(Math.min(entries, MAX_16));
  w.u32(Math.min(length, MAX_32));
  w.u32(Math.min(start, MAX_32));
  w.u16(comment.byteLength);
  w.bytes(comment);
  return w.done();
}

/** Writes records little-endian, front to back. */
export interface RecordWriter {
  u16(value: number): void;
  u32(value: number): void;
  u64(value: number): void;
  bytes(value: Uint8Array): void;
  done(): Uint8Array;
}

/** @param length of all that will be written, in bytes */
export function recordWriter(length: number): RecordWriter {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  return {
    u16(value: number) {
      view.setUint16(at, value, true);
      at += 2;
    },
    u32(value: number) {
      view.setUint32(at, value, true);
      at += 4;
    },
    u64(value: number) {
      view.setBigUint64(at, BigInt(value), true);
      at += 8;
    },
    bytes(value: Uint8Array) {
      bytes.set(value, at);
      at += value.byteLength;
    },
    done: () => bytes,
  };
}
