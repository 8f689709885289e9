import * as v from 'valibot';
import { WEBHOOK_EVENTS, type Webhook } from '../webhooks/webhook.ts';

const MAX_WEBHOOKS = 20;

const Entry = v.strictObject({
  URL: v.pipe(
    v.string('name an address'),
    v.check(isSafe, 'write an https address without credentials (http is for this machine only)'),
  ),
  Events: v.pipe(
    v.array(v.picklist(WEBHOOK_EVENTS, `write some of ${WEBHOOK_EVENTS.join(', ')}`), 'write a list of events'),
    v.minLength(1, `write some of ${WEBHOOK_EVENTS.join(', ')}`),
  ),
  Owner: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z0-9]{5}-(j7d0g|tpzed)-[a-z0-9]{15}$/, 'write the UUID of a project or user')),
  ),
});

/** Reads the WEBHOOKS table; what is wrong goes into `problems`. @param env for what webhooks need beside it */
export function parseWebhooks(table: unknown, env: Record<string, unknown>, problems: string[]): Webhook[] {
  const entries = Object.entries(table as Record<string, unknown>);
  if (entries.length === 0) return [];
  if (env.API_HOST !== undefined && env.API_HOST !== '')
    problems.push('WEBHOOKS: beside a cluster (API_HOST) its collections are not kept here, so nothing can be told');
  if (env.WEBHOOK_QUEUE === undefined)
    problems.push('WEBHOOKS: bind the Durable Object WEBHOOK_QUEUE (wrangler.toml has it)');
  if (env.WEBHOOK_SECRET === undefined)
    problems.push('WEBHOOK_SECRET: missing: set it with `wrangler secret put`, receivers check signatures with it');
  if (entries.length > MAX_WEBHOOKS) problems.push(`WEBHOOKS: ${MAX_WEBHOOKS} receivers at most`);
  return entries.flatMap(([name, entry]) => {
    const parsed = v.safeParse(Entry, entry);
    if (parsed.success) {
      const { URL: url, Events: events, Owner: owner = null } = parsed.output;
      return [{ url, events, owner }];
    }
    for (const issue of parsed.issues)
      problems.push(`WEBHOOKS.${[name, v.getDotPath(issue)].filter(Boolean).join('.')}: ${issue.message}`);
    return [];
  });
}

function isSafe(address: string): boolean {
  const url = URL.parse(address);
  if (url === null || url.username !== '' || url.password !== '') return false;
  if (url.protocol === 'https:') return true;
  return url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
}
