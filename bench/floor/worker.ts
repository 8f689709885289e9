/** As little as a Worker can do: the key is the path, the body passes through untouched. */
export default {
  async fetch(request: Request, { BLOCKS }: { BLOCKS: R2Bucket }, execution: ExecutionContext): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const key = pathname.slice(1);
    if (request.method === 'PUT') {
      const stored = await BLOCKS.put(key, request.body, { md5: key });
      return new Response(`${stored.size}\n`);
    }
    const headers = { 'content-type': 'application/octet-stream' };
    // Several objects one after another: KEY,KEY,...?bytes=TOTAL
    if (searchParams.has('bytes')) {
      const { readable, writable } = new FixedLengthStream(Number(searchParams.get('bytes')));
      execution.waitUntil(pipeAll(BLOCKS, key.split(','), writable));
      return new Response(readable, { headers });
    }
    // Part of one object: KEY?offset=N&length=N
    const range = searchParams.has('offset')
      ? { range: { offset: Number(searchParams.get('offset')), length: Number(searchParams.get('length')) } }
      : {};
    const object = await BLOCKS.get(key, range);
    if (object === null) return new Response('not found\n', { status: 404 });
    return new Response(object.body, { headers });
  },
};

async function pipeAll(bucket: R2Bucket, keys: string[], writable: WritableStream): Promise<void> {
  for (const key of keys) await (await bucket.get(key))?.body.pipeTo(writable, { preventClose: true });
  await writable.close();
}
