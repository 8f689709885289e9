/** Headers on everything behind keepstore's router (keep-block-api.md 3.13). */
export const BLOCK_CORS: Record<string, string> = {
  'Access-Control-Allow-Methods': 'GET, HEAD, PUT, POST, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers':
    'Authorization, Content-Length, Content-Type, X-Keep-Desired-Replicas, X-Keep-Signature, X-Keep-Storage-Classes',
  'Access-Control-Expose-Headers':
    'X-Keep-Locator, X-Keep-Replicas-Stored, X-Keep-Storage-Classes-Confirmed, Keep-Edge-Status',
  'Access-Control-Max-Age': '86486400',
};
