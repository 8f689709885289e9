import { WorkerEntrypoint } from 'cloudflare:workers';
import { answerFill } from '../blocks/tiered-cache.ts';
import type { Env } from '../config/env.ts';
import { isToken } from '../keep/token.ts';
import type { BlockProps } from './compose-reads.ts';
import { dependenciesOf } from './composition.ts';

/** Blocks behind the tiered cache (blocks/tiered-cache.ts). No address of the service leads here. */
export class Block extends WorkerEntrypoint<Env, BlockProps> {
  override async fetch(request: Request): Promise<Response> {
    const built = dependenciesOf(this.env);
    const refused = (status: number) => new Response(null, { status, headers: { 'Cache-Control': 'no-store' } });
    if (!built.ok) return refused(503);
    const { fill } = built.deps;
    if (!isToken(this.ctx.props.code ?? '', fill.code)) return refused(403);
    const { cache } = this.ctx;
    return answerFill(request, {
      source: fill.source,
      purge: cache === undefined ? null : (tag) => cache.purge({ tags: [tag] }),
      waitUntil: (work) => this.ctx.waitUntil(work),
    });
  }
}
