import { KeepError } from '../keep/errors.ts';
import { EMPTY_HASH } from '../keep/limits.ts';
import { type Chunks, Tokenizer } from '../keep/manifest/line-tokens.ts';
import { digitsEnd, isLocatorToken, locatorSize } from '../keep/manifest/locator-token.ts';
import { STORE_RULES } from '../keep/manifest/rules.ts';

const NEWLINE = 0x0a;
const COLON = 0x3a;
const latin1 = new TextDecoder('latin1');

/**
 * Tells of every block that a manifest names, without reading its file names; the size is 0 where the text has none. The
 * empty block is left out: it needs no copy. Resolves to the bytes read.
 * @throws KeepError corrupt when the text is not a manifest or ends in the middle of a line: its blocks are not all known then
 */
export async function manifestBlocks(chunks: Chunks, onBlock: (hash: string, size: number) => void): Promise<number> {
  let bytes = 0;
  let index = 0;
  let hasFiles = false;
  const tokens = new Tokenizer((token, start, end, delimiter) => {
    if (index++ > 0) {
      if (!hasFiles && isLocatorToken(token, start, end)) {
        const size = locatorSize(token, start, end, STORE_RULES);
        if (size === undefined) throw broken('a locator that cannot be read');
        const hash = latin1.decode(token.subarray(start, start + EMPTY_HASH.length)).toLowerCase();
        if (hash !== EMPTY_HASH) onBlock(hash, size ?? 0);
      } else if (isFileToken(token, start, end)) hasFiles = true;
      else throw broken('a token that is neither a locator nor a file');
    }
    if (delimiter !== NEWLINE) return;
    if (!hasFiles) throw broken('a line without files');
    index = 0;
    hasFiles = false;
  }, 'corrupt');
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    tokens.push(chunk);
  }
  if (index > 0 || tokens.rest().length > 0) throw broken('the last line is cut short');
  return bytes;
}

/** `position:length:name` */
function isFileToken(bytes: Uint8Array, start: number, end: number): boolean {
  const first = digitsEnd(bytes, start, end);
  if (first === start || bytes[first] !== COLON) return false;
  const second = digitsEnd(bytes, first + 1, end);
  return second > first + 1 && second < end && bytes[second] === COLON;
}

function broken(problem: string): KeepError {
  return new KeepError('corrupt', { message: `not a manifest: ${problem}` });
}
