import { pathComponents } from './path-components.ts';

const HIDDEN = '…';
/** Of one logged text; an address may be megabytes long. */
const MAX_LOGGED_CHARS = 2000;
/** Times that a path may be encoded once more than it should be, and is still searched for secrets. */
const MAX_ENCODINGS = 4;

const LOCATOR_HINTS = /([0-9a-f]{32}(?:\+\d+(?=\+|$))?)(?:\+.*)?/is;
/** Also most of one: the rest could be guessed. A run of digits is tried from its beginning alone: each place in it would take as long. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{16,}(?:@|%40)[0-9a-f]{1,8}/gi;
/** `t=TOKEN`, and `api_token=TOKEN` wherever a question mark was encoded. */
const TOKEN_FIELD = /((?:^|[?&;])t=|(?<![a-z_])[a-z_]*token=)([^&;?#]*)/i;

/** Most paths by far. */
const BLOCK_PATH = /^\/([0-9a-f]{32}(?:\+\d+)?)(?:\+[^/@]*@[0-9a-f]{8})?$/;

/**
 * A percent-decoded path as it may be logged, without its leading slash: without hints of locators, and without
 * tokens, in every place where one can stand. It hides more than the parser of addresses takes for a token.
 */
export function redactPath(path: string): string {
  const block = BLOCK_PATH.exec(path);
  if (block?.[1] !== undefined) return block[1];
  const cut = path.slice(0, 2 * MAX_LOGGED_CHARS);
  const redacted = hiddenBehindEncoding(cut) ?? redactComponents(cut).join('/');
  return limited(path.endsWith('/') && redacted !== '' ? `${redacted}/` : redacted);
}

/** A message as it may be logged or stored: without tokens and signatures that it may quote. */
export function redactText(text: string): string {
  return limited(text.slice(0, 2 * MAX_LOGGED_CHARS))
    .replace(/\bv2(?:\/|%2f)+[^\s"'<>,;]*/gi, `v2/${HIDDEN}`)
    .replace(/\b(Bearer|OAuth2|Basic)\s+[^\s"'<>]+/gi, `$1 ${HIDDEN}`)
    .replace(/\b((?:t|[a-z_]*token)=)[^\s"'<>&;]+/gi, `$1${HIDDEN}`)
    .replace(/([0-9a-f]{32}(?:\+\d+)?)\+[AR][^\s"'<>]*/gi, '$1')
    .replace(SIGNATURE, HIDDEN)
    .replace(/\b[0-9a-z]{41,}\b/g, (run) => (HEX_DIGEST.test(run) ? run : HIDDEN));
}

/** SHA-256 digests and the like: longer than any token in hexadecimal. */
const HEX_DIGEST = /^[0-9a-f]{64}$/;

/** An error and its causes in one line: messages only, no stacks, no secrets. */
export function describeError(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current !== undefined && messages.length < 5; ) {
    messages.push(current instanceof Error ? current.message || current.name : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return redactText(messages.join(': ')).slice(0, 1000);
}

/** Cuts what a client sent to a length that a log line may have. */
export function limited(text: string): string {
  return text.length <= MAX_LOGGED_CHARS ? text : `${text.slice(0, MAX_LOGGED_CHARS)}${HIDDEN}`;
}

/** The redacted path where its secrets are only seen after decoding it again, or with backslashes for slashes; else null. */
function hiddenBehindEncoding(path: string): string | null {
  let decoded = path;
  for (let i = 0; i < MAX_ENCODINGS; i++) {
    const next = decoded
      .replaceAll('\\', '/')
      .replace(/%([0-7][0-9a-f])/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
    if (next === decoded) return null;
    decoded = next;
    const redacted = redactComponents(decoded);
    if (redacted.join('/') !== pathComponents(decoded).join('/')) return redacted.join('/');
  }
  return HIDDEN;
}

function redactComponents(path: string): string[] {
  const components = pathComponents(path);
  const isDownload = /^collections$/i.test(components[0] ?? '') && /^download$/i.test(components[1] ?? '');
  const shown: string[] = [];
  for (let at = 0; at < components.length; at++) {
    const component = components[at] ?? '';
    const [, name, token] = TOKEN_FIELD.exec(component) ?? [];
    const isToken = name !== undefined || (isDownload && at === 3);
    if (name !== undefined)
      shown.push(`${withoutSignature(component.slice(0, component.indexOf(name)))}${name}${HIDDEN}`);
    else if (isToken) shown.push(HIDDEN);
    else if (component === 'v2') shown.push(component, HIDDEN);
    else shown.push(withoutSignature(component));
    // A v2 token's UUID and secret are components of their own.
    if ((isToken ? (token ?? component) : component) === 'v2') at += 2;
  }
  return shown;
}

function withoutSignature(component: string): string {
  return component.replace(LOCATOR_HINTS, '$1').replace(SIGNATURE, HIDDEN);
}
