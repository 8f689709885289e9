import { DurableObject } from 'cloudflare:workers';
export class PullQueue extends DurableObject {}
export class TrashQueue extends DurableObject {}
export default {
  async fetch(request: Request, env: { BLOCKS: R2Bucket }): Promise<Response> {
    const url = new URL(request.url);
    if (request.method === 'PUT') {
      const o = await env.BLOCKS.put(url.pathname, request.body);
      return Response.json(o?.checksums);
    }
    const o = await env.BLOCKS.get(url.pathname);
    return new Response(o?.body, { headers: { 'content-type': 'application/octet-stream' } });
  },
};
