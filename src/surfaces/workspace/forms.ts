import type { RequestContext } from '../../http/context.ts';
import { heldChunks } from '../../http/request-chunks.ts';
import { KeepError } from '../../keep/errors.ts';

/** 1,000 names of 255 bytes, percent-encoded twice. */
const MAX_FORM_BYTES = 2 * 1024 * 1024;

/**
 * The fields of a form that a page of this origin sent. A page of another site, or of a collection's own host, must not
 * act with the visitor's cookie; browsers say with every POST where it comes from.
 * @throws KeepError forbidden for a form of another origin, or of none that is told; too_large
 */
export async function readForm(context: RequestContext): Promise<URLSearchParams> {
  requireOwnPage(context);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of heldChunks(context.request)) {
    length += chunk.byteLength;
    if (length > MAX_FORM_BYTES) throw new KeepError('too_large', { message: 'the form is too long' });
    chunks.push(chunk);
  }
  return new URLSearchParams(await new Blob(chunks).text());
}

/** @throws KeepError forbidden */
export function requireOwnPage({ request: { headers } }: RequestContext): void {
  const site = headers.get('Sec-Fetch-Site');
  const origin = headers.get('Origin');
  const isOwn = site !== null ? site === 'same-origin' : URL.parse(origin ?? '')?.host === headers.get('Host');
  if (!isOwn) throw new KeepError('forbidden', { message: 'Forbidden: this form was not sent by a page of this site' });
}

/** A field without the spaces around it; '' when it is missing. */
export function field(form: URLSearchParams, name: string): string {
  return (form.get(name) ?? '').trim();
}

/** After a form: the page to see next, so that going back does not send the form again. */
export function seeOther(path: string, headers: Record<string, string> = {}): Response {
  return new Response(null, { status: 303, headers: { Location: path, 'Cache-Control': 'no-store', ...headers } });
}

/** A path on this host that a form asks to go on to; '/' for anything else, so that no link leads a visitor away. */
export function ownPath(path: string | null): string {
  return path !== null && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) && !path.includes('\\') ? path : '/';
}
