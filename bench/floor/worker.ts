/** As little as a Worker can do: the key is the path, the body passes through untouched. */
export default {
  async fetch(request: Request, { BLOCKS }: { BLOCKS: R2Bucket }): Promise<Response> {
    const key = new URL(request.url).pathname.slice(1);
    if (request.method === 'PUT') {
      const stored = await BLOCKS.put(key, request.body, { md5: key });
      return new Response(`${stored.size}\n`);
    }
    const object = await BLOCKS.get(key);
    if (object === null) return new Response('not found\n', { status: 404 });
    return new Response(object.body, { headers: { 'content-type': 'application/octet-stream' } });
  },
};
