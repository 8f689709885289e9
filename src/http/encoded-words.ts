/** Text in headers that is not plain ASCII: RFC 2047, as AWS and the original have it. */

/** Bytes of one word: with its frame the longest that RFC 2047 allows. */
const WORD_BYTES = 45;
const WORD = /=\?(?:utf-8|us-ascii)\?(?:([bB])\?([A-Za-z0-9+/]*={0,2})|([qQ])\?([!->@-~]*))\?=/gi;
/** Blanks between two words are no part of the text. */
const BETWEEN = /(\?=)[ \t]+(?==\?(?:utf-8|us-ascii)\?[bq]\?)/gi;

/** Text as encoded words; what is plain, and not to be taken for a word, stays as it is. */
export function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text) && decodeWords(text) === text) return text;
  const words: string[] = [];
  let word: number[] = [];
  const end = () => {
    if (word.length > 0) words.push(`=?UTF-8?B?${btoa(String.fromCharCode(...word))}?=`);
    word = [];
  };
  for (const char of text.toWellFormed()) {
    const bytes = new TextEncoder().encode(char);
    if (word.length + bytes.length > WORD_BYTES) end();
    word.push(...bytes);
  }
  end();
  return words.join(' ');
}

/** The text that encoded words stand for. Words that are malformed stay as they are. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text;
  return text
    .replace(BETWEEN, '$1')
    .replace(WORD, (word, isBase64?: string, base64 = '', _isQuoted?: string, quoted = '') => {
      try {
        const binary = isBase64 ? atob(base64) : unquoted(quoted);
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
          Uint8Array.from(binary, (char) => char.charCodeAt(0)),
        );
      } catch {
        return word;
      }
    });
}

function unquoted(text: string): string {
  return text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
}
