import { KeepError } from './errors.ts';

/** A block's name. `hints` are in their original order, without '+', and without the size. */
export interface Locator {
  /** 32 lowercase hex digits: the MD5 of the block. */
  hash: string;
  /** Bytes, or null when the text does not say. */
  size: number | null;
  hints: string[];
}

const HASH = /^[0-9a-f]{32}$/;
const DIGITS = /^[0-9]+$/;
const NEGATIVE = /^-[0-9]+$/;
const STARTS_WITH_DIGIT = /^[0-9]/;
const REMOTE_HINT = /^R([^+]{5})-(.+)$/s;

/**
 * Reads a locator as keepstore does: the size, if there is one, is the first hint; other hints are kept as they are.
 * A negative size is refused (keepstore panics on one). A size beyond 2^53 counts as unknown, as keepstore treats one
 * beyond 64 bits.
 * @throws KeepError invalid_locator
 */
export function parseLocator(text: string): Locator {
  const [hash = '', ...hints] = text.split('+');
  if (!HASH.test(hash)) throw new KeepError('invalid_locator');
  for (const [index, hint] of hints.entries()) {
    const misplacedSize = index > 0 && STARTS_WITH_DIGIT.test(hint);
    if (hint === '' || hint.includes('\n') || misplacedSize) throw new KeepError('invalid_locator');
  }
  const first = hints[0];
  if (first === undefined) return { hash, size: null, hints };
  if (NEGATIVE.test(first)) throw new KeepError('invalid_locator');
  const size = DIGITS.test(first) ? Number(first) : Number.NaN;
  if (!Number.isSafeInteger(size)) return { hash, size: null, hints };
  return { hash, size, hints: hints.slice(1) };
}

/** The text of a locator; the inverse of parseLocator but for leading zeros in a size. */
export function formatLocator({ hash, size, hints }: Locator): string {
  return [hash, ...(size === null ? [] : [size]), ...hints].join('+');
}

/** The same locator without its local permission signature (+A…); everything else stays. Takes any text. */
export function stripSignature(text: string): string {
  if (!text.includes('+A')) return text;
  return text
    .split('+')
    .filter((part, index) => index === 0 || !part.startsWith('A'))
    .join('+');
}

/** `hash+size`, or the hash alone when the text has no size: what portable data hashes are made of. Takes any text. */
export function bareLocator(text: string): string {
  const [hash = '', ...hints] = text.split('+');
  const size = hints.find((hint) => DIGITS.test(hint));
  return size === undefined ? hash : `${hash}+${size}`;
}

/** True when a hint claims a signature of this cluster. The block is then local, even if there is a +R hint too. */
export function hasLocalSignature({ hints }: Locator): boolean {
  return hints.some((hint) => hint.startsWith('A'));
}

/** The first hint that points to another cluster (`R…`, not checked further), or null. */
export function remoteHint({ hints }: Locator): string | null {
  return hints.find((hint) => hint.startsWith('R')) ?? null;
}

/** Each is a server to ask: one request must not reach thousands. */
const MAX_KEEP_HINTS = 8;

/**
 * What follows `K@` in the first service hints, each once, in order: a 5-character cluster id or a 27-character service
 * uuid.
 */
export function keepHints({ hints }: Locator): string[] {
  const named = hints.filter((hint) => hint.startsWith('K@')).map((hint) => hint.slice(2));
  return [...new Set(named)].slice(0, MAX_KEEP_HINTS);
}

/**
 * The locator to ask another cluster for, from one with a +R hint: the +R signature becomes +A, local signatures and
 * further +R signatures (meant for other clusters) are dropped, other hints stay.
 * @throws KeepError invalid_remote_hint when there is no well-formed +R hint
 */
export function toRemoteLocator(locator: Locator): { clusterId: string; locator: Locator } {
  let clusterId: string | null = null;
  const hints: string[] = [];
  for (const hint of locator.hints) {
    const [, id, signature] = REMOTE_HINT.exec(hint) ?? [];
    if (id !== undefined && signature !== undefined) {
      if (clusterId !== null) continue;
      clusterId = id;
      hints.push(`A${signature}`);
    } else if (!hint.startsWith('A')) {
      hints.push(hint);
    }
  }
  if (clusterId === null) throw new KeepError('invalid_remote_hint');
  return { clusterId, locator: { ...locator, hints } };
}
