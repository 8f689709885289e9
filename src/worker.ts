import { dependenciesOf } from './app/composition.ts';
import { forPeople, isForPeople } from './app/error-pages.ts';
import { runJobs } from './app/jobs.ts';
import { forRequest } from './app/request-scope.ts';
import { route } from './app/routes.ts';
import { nameTrace } from './app/spans.ts';
import type { Env } from './config/env.ts';
import { logResponse } from './http/access-log.ts';
import { createContext, type RequestContext } from './http/context.ts';
import { textError } from './http/error-response.ts';
import { isKeepError, KeepError } from './keep/errors.ts';
import { VERSION } from './keep/version.ts';

export { Balancer } from './app/balancer-object.ts';
export { Block } from './app/block-entrypoint.ts';
export { CollectionObject } from './app/collection-object.ts';
export { FigureShard } from './app/figures-object.ts';
export { AdoptionObject, PlaceShard } from './app/gateway-objects.ts';
export { PullQueue, RepairQueue, TrashQueue } from './app/queue-objects.ts';
export { WebhookQueue } from './app/webhook-object.ts';

export default {
  async fetch(request: Request, env: Env, execution: ExecutionContext): Promise<Response> {
    const started = Date.now();
    let context: RequestContext;
    try {
      context = createContext(request, (work) => execution.waitUntil(work));
    } catch (error) {
      return textError(isKeepError(error) ? error : new KeepError('bad_request'));
    }
    const response = await forRequest(context.requestId, () => answer(context, env), nameTrace(context));
    const { headers } = response;
    // Cloudflare's edge adds a Date; the local runtime does not.
    headers.set('Date', httpDateOf(started));
    if (!headers.has('X-Request-Id')) headers.set('X-Request-Id', context.requestId);
    const logged = logResponse(context, response, started);
    const built = dependenciesOf(env);
    if (built.ok) built.deps.figures?.later();
    return logged;
  },

  async scheduled(_controller: ScheduledController, env: Env): Promise<void> {
    const built = dependenciesOf(env);
    if (!built.ok) throw new Error(built.problems.join('; '));
    await runJobs(built.deps);
  },
} satisfies ExportedHandler<Env>;

let lastDate = { second: 0, text: '' };

/** @param time Unix milliseconds */
function httpDateOf(time: number): string {
  const second = Math.floor(time / 1000);
  if (second !== lastDate.second) lastDate = { second, text: new Date(time).toUTCString() };
  return lastDate.text;
}

async function answer(context: RequestContext, env: Env): Promise<Response> {
  const built = dependenciesOf(env);
  if (built.ok) {
    const response = await route(context, built.deps).catch((error: unknown) => {
      context.error = error;
      return textError(error);
    });
    return isForPeople(context, response) ? forPeople(context, built.deps, response).catch(() => response) : response;
  }
  context.error = new KeepError('not_configured', { message: built.problems.join('; ') });
  // Health checks still answer; everything else is 503 until the service is configured.
  if (context.path === '/_health/ping')
    return Response.json({ health: 'ERROR', error: 'not configured', version: VERSION });
  return textError(new KeepError('not_configured'));
}
