import { type Listing, listingJson, parseSorting, plainListing, type Sorting } from './listing.ts';
import { listingPage } from './listing-page.ts';
import type { RequestFields } from './request-fields.ts';
import { textStream } from './text-stream.ts';

/**
 * GET or HEAD of a directory. Only a client that asks for `text/html` gets pages: a program would take the first one
 * for the whole. The others get every entry, as JSON if they ask for it.
 */
export async function listingResponse(
  { method, headers }: Request,
  fields: RequestFields,
  listing: Listing,
  page: (listing: Listing, sorting: Sorting, page: number) => Promise<Response> = listingPage,
): Promise<Response> {
  const accept = (headers.get('Accept') ?? '').toLowerCase();
  const response = wantsPage(headers)
    ? await page(listing, parseSorting(fields.get('sort')), pageNumber(fields))
    : accept.includes('application/json')
      ? streamed('application/json', listingJson(listing))
      : streamed('text/html; charset=utf-8', plainListing(listing));
  response.headers.set('Vary', 'Accept, Authorization, Cookie');
  return method === 'HEAD' ? new Response(null, response) : response;
}

/** Only browsers, and programs that pass for one, ask for `text/html`. */
export function wantsPage(headers: Headers): boolean {
  return (headers.get('Accept') ?? '').toLowerCase().includes('text/html');
}

/** From 0. */
function pageNumber(fields: RequestFields): number {
  return Math.max(0, Math.trunc(Number(fields.get('page') ?? 1)) - 1) || 0;
}

function streamed(type: string, texts: AsyncIterator<string>): Response {
  return new Response(textStream(texts), {
    headers: {
      'Content-Type': type,
      'Content-Security-Policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'private, no-cache',
    },
  });
}
