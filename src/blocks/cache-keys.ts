/**
 * Keys of the Cache API are URLs. The platform asks for ones of the service's own host: any other name costs a look-up
 * (developers.cloudflare.com/workers/runtime-apis/cache). So this isolate takes the host that it is asked under first.
 */
let origin = 'https://keep-edge.invalid';
let isKnown = false;

/** @param headers of a request whose host names no single collection */
export function noteOwnHost(headers: Headers): void {
  if (isKnown) return;
  const host = headers.get('Host') ?? '';
  if (host === '' || !URL.canParse(`https://${host}/`)) return;
  origin = `https://${host}`;
  isKnown = true;
}

/** @param kind keeps apart what different caches hold */
export function cacheUrl(kind: string, key: string): string {
  return `${origin}/.cache/${kind}/${key}`;
}
