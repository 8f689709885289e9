/** What libraries of scripts add to requests on their own: Ajax, caching, tracing. A preflight that refuses them refuses the script. */
export const SCRIPT_HEADERS = 'X-Requested-With, Pragma, traceparent, tracestate, baggage, sentry-trace';

/** Headers on every answer of keepstore's routes. The max age is keepstore's, typing error included. */
export const BLOCK_CORS: Record<string, string> = {
  'Access-Control-Allow-Methods': 'GET, HEAD, PUT, POST, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': `Authorization, Content-Length, Content-Type, X-Keep-Desired-Replicas, X-Keep-Signature, X-Keep-Storage-Classes, ${SCRIPT_HEADERS}`,
  'Access-Control-Expose-Headers':
    'X-Keep-Locator, X-Keep-Replicas-Stored, X-Keep-Storage-Classes-Confirmed, Keep-Edge-Status',
  'Access-Control-Max-Age': '86486400',
};

/**
 * On every answer at a download address, whether it was asked across origins or not: browsers keep answers, and use
 * them for scripts of other sites later. Cookies are never part of such requests.
 */
export const DOWNLOAD_CORS: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers':
    'Accept-Ranges, Content-Disposition, Content-Length, Content-Range, DAV, ETag, Last-Modified, Lock-Token, X-Request-Id',
};

/** On every answer of S3's. Its requests carry their own signatures, and cookies mean nothing there. */
export const S3_CORS: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': '*',
};

/** Beyond that, what a preflight is told: signed requests have headers of many names. @param asked the headers it asks for */
export function s3Preflight(asked: string | null): Record<string, string> {
  return {
    ...S3_CORS,
    'Access-Control-Allow-Methods': 'GET, HEAD, PUT, POST, DELETE',
    ...(asked === null || /[^\w\-,\s]/.test(asked) ? {} : { 'Access-Control-Allow-Headers': asked }),
    'Access-Control-Max-Age': '3600',
    Vary: 'Access-Control-Request-Headers',
  };
}

/** Beyond that, what a preflight is told. */
export const DOWNLOAD_PREFLIGHT: Record<string, string> = {
  'Access-Control-Allow-Methods':
    'GET, HEAD, POST, OPTIONS, PROPFIND, PUT, DELETE, MKCOL, COPY, MOVE, LOCK, UNLOCK, PROPPATCH',
  'Access-Control-Allow-Headers': `Authorization, Cache-Control, Content-MD5, Content-Type, Depth, Destination, If, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Lock-Token, OC-Checksum, Overwrite, Range, Timeout, X-Request-Id, ${SCRIPT_HEADERS}`,
  'Access-Control-Max-Age': '86400',
};
