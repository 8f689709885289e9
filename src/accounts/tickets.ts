import { decodeBase64Url, encodeBase64Url } from '../keep/base64url.ts';
import { KeepError } from '../keep/errors.ts';

/**
 * Tickets: texts in an address that open one file, for programs that send no token along. A ticket is the token it was
 * made with, sealed (AES-GCM) together with the file and its expiry: what the token may not do any more, neither may
 * the ticket.
 */
export interface Tickets {
  seal(content: TicketContent, file: TicketFile): Promise<string>;
  /** Null for a text that is no ticket, is of another file, or has expired. */
  open(ticket: string, file: TicketFile): Promise<TicketContent | null>;
}

/** The file that a ticket opens, as its address names it. */
export interface TicketFile {
  /** UUID or portable data hash of the collection. */
  id: string;
  path: string;
}

/** What a ticket stands for. */
export interface TicketContent {
  token: string;
  /** It opens the collection only while this is its content. */
  portableDataHash: string;
  /** Unix seconds. */
  expiresAt: number;
}

/** Texts that begin so are tickets: no token does. */
const PREFIX = 'ticket-';
const IV_BYTES = 12;

export function isTicket(text: string): boolean {
  return text.startsWith(PREFIX);
}

/**
 * @param secret of the Worker; the key is derived from it
 * @param now Unix milliseconds
 */
export function createTickets(secret: string, now: () => number): Tickets {
  let key: Promise<CryptoKey> | null = null;
  const keyOf = () => {
    key ??= deriveKey(secret);
    return key;
  };
  return {
    async seal(content, file) {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const text = new TextEncoder().encode(JSON.stringify(content));
      const sealed = new Uint8Array(await crypto.subtle.encrypt(cipher(iv, file), await keyOf(), text));
      const all = new Uint8Array(IV_BYTES + sealed.byteLength);
      all.set(iv);
      all.set(sealed, IV_BYTES);
      return `${PREFIX}${encodeBase64Url(all)}`;
    },
    async open(ticket, file) {
      if (!isTicket(ticket)) return null;
      const all = decodeBase64Url(ticket.slice(PREFIX.length));
      if (all === null || all.byteLength < IV_BYTES) return null;
      const text = await crypto.subtle
        .decrypt(cipher(all.slice(0, IV_BYTES), file), await keyOf(), all.subarray(IV_BYTES))
        .catch(() => null);
      if (text === null) return null;
      const content = JSON.parse(new TextDecoder().decode(text)) as TicketContent;
      return content.expiresAt * 1000 <= now() ? null : content;
    },
  };
}

function cipher(iv: Uint8Array<ArrayBuffer>, { id, path }: TicketFile) {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(`${id}\n${path}`) };
}

async function deriveKey(secret: string): Promise<CryptoKey> {
  if (secret === '') throw new KeepError('not_configured');
  const bytes = new TextEncoder().encode(secret);
  const base = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey']);
  const how = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(0),
    info: new TextEncoder().encode('file tickets'),
  };
  return crypto.subtle.deriveKey(how, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}
