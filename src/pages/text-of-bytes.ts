/** Text as files have it: UTF-8, UTF-16 with a byte order mark, or what older programs wrote. */

/** The beginning of a file as text. */
export interface Beginning {
  text: string;
  /** The file goes on behind it. */
  isCut: boolean;
}

const UTF16_MARKS: [first: number, second: number, label: string][] = [
  [0xff, 0xfe, 'utf-16le'],
  [0xfe, 0xff, 'utf-16be'],
];
/** Bytes of the longest character. */
const MAX_CHARACTER = 4;

/** @param isCut the last character may not be whole */
export function textOfBytes(bytes: Uint8Array, isCut: boolean): string {
  const mark = UTF16_MARKS.find(([first, second]) => bytes[0] === first && bytes[1] === second);
  if (mark !== undefined) return new TextDecoder(mark[2]).decode(bytes);
  const text = new TextDecoder().decode(isCut ? wholeCharacters(bytes) : bytes);
  if (!text.includes('\ufffd') || bytes.includes(0)) return text;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(isCut ? wholeCharacters(bytes) : bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  // Back to before the first byte of the last character.
  for (let back = 0; back < MAX_CHARACTER && end > 0 && ((bytes[end - 1] ?? 0) & 0xc0) === 0x80; back++) end--;
  const isFirst = ((bytes[end - 1] ?? 0) & 0xc0) === 0xc0;
  return isFirst ? bytes.subarray(0, end - 1) : bytes;
}
