import { SCRIPT_HEADERS } from '../../http/cors.ts';
import { failureOf } from '../../http/error-response.ts';
import type { Row } from '../../records/columns.ts';
import type { ListResult } from '../../records/list-query.ts';
import { jsonChunks } from '../../streams/json/encoder.ts';

/** On every answer of the API: scripts of any origin may use it. */
export const API_CORS: Record<string, string> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS, PROPFIND, PUT, POST, PATCH, DELETE',
  'Access-Control-Allow-Headers': `Authorization, Content-Type, Range, X-Http-Method-Override, ${SCRIPT_HEADERS}`,
  'Access-Control-Expose-Headers': 'Content-Range',
  'Access-Control-Max-Age': '86486400',
};

/** 200 with JSON. */
export function answer(value: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(value, { headers: { 'Cache-Control': 'private, no-store', ...headers } });
}

/** 200 with JSON in which a TextStream is sent as it is read. @param onEnd called when the answer has ended, however it did */
export function answerStreamed(value: unknown, onEnd: () => void = () => undefined): Response {
  const chunks = jsonChunks(value);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value: chunk } = await chunks.next().catch((error) => {
        onEnd();
        throw error;
      });
      if (!done) return controller.enqueue(chunk);
      onEnd();
      controller.close();
    },
    async cancel() {
      onEnd();
      await chunks.return();
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'application/json', 'Cache-Control': 'private, no-store' } });
}

/** A page of records in the API's shape. */
export function listOf(kind: string, { items, ...page }: ListResult): Row {
  return { kind: `${kind}List`, etag: '', self_link: '', items, ...page };
}

/** Errors in Rails' form: clients join `errors` and show them. */
export function errorAnswer(error: unknown, requestId: string): Response {
  const { status, message, headers } = failureOf(error);
  const token = `${Math.floor(Date.now() / 1000)}+${crypto.randomUUID().slice(0, 8)}`;
  return Response.json({ errors: [`${message} (${requestId})`], error_token: token }, { status, headers });
}
