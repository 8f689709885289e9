/**
 * The platform's cache in front of an entrypoint, by the rules that are documented at developers.cloudflare.com/workers/cache
 * (as of November 2026): data centres that ask an upper tier, which asks the entrypoint.
 *
 * - The key is path and query, and the caller's props. The host and other headers do not count.
 * - GET is looked up; what says `no-store` or `private` is not kept, nor is a 206 or an error without freshness of its own.
 * - Misses of one key at the same time are one request, in each data centre and in the upper tier; an answer that may
 *   not be kept is asked for by each.
 * - `Range` is stripped before the entrypoint runs; 206 is cut from the whole answer.
 * - An incomplete answer is not kept (RFC 9111, 3.3).
 * - A purge by tag reaches every tier. Cache-Tag is stripped from answers.
 */
export interface DataCentres {
  /** The entrypoint as a Worker in data centre `number` calls it. */
  at(number: number, props: string): { fetch(url: string, init?: RequestInit): Promise<Response> };
  purge(tag: string): void;
  /** How often the entrypoint ran. */
  readonly runs: number;
  /** Entries over all tiers. */
  readonly entries: number;
}

interface Entry {
  body: Uint8Array<ArrayBuffer>;
  headers: [string, string][];
  tags: string[];
}

type Answer = { entry: Entry; status: 'HIT' | 'MISS' } | { response: Response };
type Ask = (key: string, request: Request) => Promise<Answer>;

export function dataCentres(entrypoint: (request: Request, props: string) => Promise<Response>): DataCentres {
  let runs = 0;
  const stores: Map<string, Entry>[] = [];
  const tier = (next: Ask): Ask => {
    const entries = new Map<string, Entry>();
    stores.push(entries);
    const waiting = new Map<string, Promise<Answer>>();
    return async (key, request) => {
      const found = entries.get(key);
      if (found !== undefined) return { entry: found, status: 'HIT' };
      const underWay = waiting.get(key);
      if (underWay !== undefined) {
        const answer = await underWay;
        return 'entry' in answer ? answer : next(key, request);
      }
      const asking = next(key, request);
      waiting.set(key, asking);
      try {
        const answer = await asking;
        if ('entry' in answer) entries.set(key, answer.entry);
        return answer;
      } finally {
        waiting.delete(key);
      }
    };
  };
  const run: Ask = async (key, request) => {
    runs++;
    const headers = new Headers(request.headers);
    headers.delete('Range');
    const props = key.slice(key.indexOf('\n') + 1);
    const response = await entrypoint(new Request(request.url, { headers }), props);
    const control = response.headers.get('Cache-Control') ?? '';
    if (response.status !== 200 || !/max-age=[1-9]/.test(control) || /no-store|private/.test(control))
      return { response };
    const body = new Uint8Array(await response.arrayBuffer());
    if (body.byteLength !== Number(response.headers.get('Content-Length'))) throw new Error('incomplete');
    const tags = (response.headers.get('Cache-Tag') ?? '').split(',');
    return { status: 'MISS', entry: { body, headers: [...response.headers], tags } };
  };
  const upper = tier(run);
  const lower = new Map<number, Ask>();
  return {
    at(number, props) {
      const ask = lower.get(number) ?? tier(upper);
      lower.set(number, ask);
      return {
        async fetch(url, init) {
          const request = new Request(url, init);
          const { pathname, search } = new URL(request.url);
          const answer = await ask(`${pathname}${search}\n${props}`, request);
          if ('response' in answer) return answer.response;
          return sliced(answer.entry, answer.status, request.headers.get('Range'));
        },
      };
    },
    purge(tag) {
      for (const entries of stores) for (const [key, { tags }] of entries) if (tags.includes(tag)) entries.delete(key);
    },
    get runs() {
      return runs;
    },
    get entries() {
      return stores.reduce((sum, { size }) => sum + size, 0);
    },
  };
}

function sliced({ body, headers: kept }: Entry, status: string, range: string | null): Response {
  const headers = new Headers(kept);
  headers.delete('Cache-Tag');
  headers.set('Cf-Cache-Status', status);
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (from === undefined || to === undefined) return new Response(body, { headers });
  if (Number(from) >= body.byteLength) return new Response(null, { status: 416, headers });
  const part = body.slice(Number(from), Number(to) + 1);
  headers.set('Content-Length', String(part.byteLength));
  headers.set('Content-Range', `bytes ${from}-${Number(from) + part.byteLength - 1}/${body.byteLength}`);
  return new Response(part, { status: 206, headers });
}
