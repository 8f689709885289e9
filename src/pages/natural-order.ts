import { compareNames } from '../keep/manifest/names.ts';

const ZERO = 0x30;
const NINE = 0x39;

/** Orders names for people: `chr2` before `chr10`, `a` before `B`. Names that differ only in case, or in leading zeros, stay in the order of bytes. */
export function compareNatural(a: string, b: string): number {
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (isDigit(a, i) && isDigit(b, j)) {
      const [startA, endA] = digits(a, i);
      const [startB, endB] = digits(b, j);
      const lengthOrder = endA - startA - (endB - startB);
      if (lengthOrder !== 0) return lengthOrder;
      for (let k = 0; startA + k < endA; k++) {
        const order = a.charCodeAt(startA + k) - b.charCodeAt(startB + k);
        if (order !== 0) return order;
      }
      [i, j] = [endA, endB];
    } else {
      if (a.charCodeAt(i) !== b.charCodeAt(j)) {
        const order = compareNames(lower(a, i), lower(b, j));
        if (order !== 0) return order;
      }
      i++;
      j++;
    }
  }
  return a.length - i - (b.length - j) || compareNames(a, b);
}

/** The character at a place, small. */
function lower(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at) ?? 0).toLowerCase();
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= ZERO && code <= NINE;
}

/** The run of digits from `at` on, without leading zeros. */
function digits(text: string, at: number): [start: number, end: number] {
  let start = at;
  while (text.charCodeAt(start) === ZERO) start++;
  let end = start;
  while (isDigit(text, end)) end++;
  return [start, end];
}
