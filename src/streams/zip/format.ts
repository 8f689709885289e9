import { isUtf8 } from '../../keep/manifest/names.ts';

/**
 * The records of a ZIP archive (PKWARE APPNOTE 6.3.x) as this service writes them: stored, never deflated; sizes in
 * the local header, the checksum behind the data, because it is known only then; 64-bit forms where the numbers ask
 * for them. All bytes depend on names and sizes alone, but for the checksums: so an archive's length is known, and
 * any range of it can be made, before a file is read.
 */

/** Files in the order of an archive, told one by one: there may be a million. */
export interface ZipEntries {
  readonly length: number;
  /** Bytes of the file. */
  sizeOf(entry: number): number;
  /** Bytes of its name: relative, slashes between components; UTF-8 or any other bytes. At most 65,535. */
  nameBytesOf(entry: number): number;
  /** Writes the name from `at` on. */
  putName(entry: number, target: Uint8Array, at: number): void;
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

const isLarge = (size: number) => size >= MAX_32;

function flagsOf(bytes: Uint8Array, from: number, to: number): number {
  let isPlain = true;
  for (let at = from; at < to; at++) isPlain &&= (bytes[at] ?? 0) < 0x80;
  return DESCRIPTOR_FLAG | (isPlain || isUtf8(bytes.subarray(from, to)) ? UTF8_FLAG : 0);
}

export function localHeaderLength(nameBytes: number, size: number): number {
  return LOCAL_HEADER + nameBytes + (isLarge(size) ? LOCAL_ZIP64_EXTRA : 0);
}

export function putLocalHeader(w: RecordWriter, entries: ZipEntries, entry: number): void {
  const size = entries.sizeOf(entry);
  const large = isLarge(size);
  const nameBytes = entries.nameBytesOf(entry);
  const nameStart = w.at + LOCAL_HEADER;
  entries.putName(entry, w.bytes, nameStart);
  w.u32(0x04034b50);
  w.u16(large ? VERSION_ZIP64 : VERSION_STORED);
  w.u16(flagsOf(w.bytes, nameStart, nameStart + nameBytes));
  w.u16(0);
  w.u16(0);
  w.u16(DOS_DATE);
  w.u32(0);
  w.u32(large ? MAX_32 : size);
  w.u32(large ? MAX_32 : size);
  w.u16(nameBytes);
  w.u16(large ? LOCAL_ZIP64_EXTRA : 0);
  w.at += nameBytes;
  if (large) {
    w.u16(1);
    w.u16(16);
    w.u64(size);
    w.u64(size);
  }
}

export function descriptorLength(size: number): number {
  return isLarge(size) ? 24 : 16;
}

export function putDescriptor(w: RecordWriter, size: number, crc: number): void {
  w.u32(0x08074b50);
  w.u32(crc);
  for (let twice = 0; twice < 2; twice++) {
    if (isLarge(size)) w.u64(size);
    else w.u32(size);
  }
}

/** @param start where the entry's local header begins in the archive */
export function directoryHeaderLength(nameBytes: number, size: number, start: number): number {
  return DIRECTORY_HEADER + nameBytes + directoryExtraLength(size, start);
}

function directoryExtraLength(size: number, start: number): number {
  const length = (isLarge(size) ? 16 : 0) + (start >= MAX_32 ? 8 : 0);
  return length === 0 ? 0 : 4 + length;
}

export function putDirectoryHeader(
  w: RecordWriter,
  entries: ZipEntries,
  entry: number,
  { start, crc }: { start: number; crc: number },
): void {
  const size = entries.sizeOf(entry);
  const large = isLarge(size);
  const far = start >= MAX_32;
  const extra = directoryExtraLength(size, start);
  const nameBytes = entries.nameBytesOf(entry);
  const nameStart = w.at + DIRECTORY_HEADER;
  entries.putName(entry, w.bytes, nameStart);
  w.u32(0x02014b50);
  w.u16(MADE_BY);
  w.u16(large || far ? VERSION_ZIP64 : VERSION_STORED);
  w.u16(flagsOf(w.bytes, nameStart, nameStart + nameBytes));
  w.u16(0);
  w.u16(0);
  w.u16(DOS_DATE);
  w.u32(crc);
  w.u32(large ? MAX_32 : size);
  w.u32(large ? MAX_32 : size);
  w.u16(nameBytes);
  w.u16(extra);
  w.u16(0);
  w.u16(0);
  w.u16(0);
  w.u32(MODE * 0x10000);
  w.u32(far ? MAX_32 : start);
  w.at += nameBytes;
  if (extra > 0) {
    w.u16(1);
    w.u16(extra - 4);
    if (large) {
      w.u64(size);
      w.u64(size);
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
export function end(w: RecordWriter, directory: Directory, comment: Uint8Array): void {
  const { entries, start, length } = directory;
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
  w.bytes.set(comment, w.at);
}

/** Writes records little-endian, front to back. */
export interface RecordWriter {
  bytes: Uint8Array;
  /** Where the next value goes. */
  at: number;
  u16(value: number): void;
  u32(value: number): void;
  u64(value: number): void;
}

export function recordWriter(bytes: Uint8Array): RecordWriter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const w: RecordWriter = {
    bytes,
    at: 0,
    u16(value) {
      view.setUint16(w.at, value, true);
      w.at += 2;
    },
    u32(value) {
      view.setUint32(w.at, value, true);
      w.at += 4;
    },
    u64(value) {
      view.setBigUint64(w.at, BigInt(value), true);
      w.at += 8;
    },
  };
  return w;
}
