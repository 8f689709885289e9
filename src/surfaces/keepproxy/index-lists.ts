import { requireAccount } from '../../accounts/access.ts';
import type { Authority } from '../../accounts/account.ts';
import { callerOf } from '../../blocks/block-response.ts';
import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { isGateway } from '../../services/keep-service.ts';
import { joinedIndex } from './joined-index.ts';
import { type KeepProxy, permitted, READER_SCOPE, refuseLoops, viaHeader } from './proxy.ts';

const END_MARKER = Uint8Array.of(10);

/** All keepstores' indexes as one. The caller's own token is forwarded: keepstores accept only an admin's. */
export async function proxyIndex(
  context: RequestContext,
  { proxy, authority }: { proxy: KeepProxy; authority: Authority },
): Promise<Response> {
  refuseLoops(context);
  if (context.method !== 'GET') throw new KeepError('method_not_allowed');
  const { token, requestId, signal } = callerOf(context);
  await permitted(requireAccount(authority, { tokens: context.tokens, method: 'GET', path: READER_SCOPE, signal }));
  const services = (await proxy.services.list()).filter((service) => !isGateway(service));
  const headers = { Authorization: `Bearer ${token}`, 'X-Request-Id': requestId, ...viaHeader(context) };
  const chunks = joinedIndex(services, context.path, headers, signal);
  // A failure before the first chunk is a status; a later one breaks the answer off.
  let next = await chunks.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (next.done === true) {
        controller.enqueue(END_MARKER);
        return controller.close();
      }
      controller.enqueue(next.value);
      next = await chunks.next();
    },
    async cancel() {
      await chunks.return();
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'text/plain; charset=utf-8', ...viaHeader(context) } });
}
