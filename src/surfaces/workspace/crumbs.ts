import type { RequestContext } from '../../http/context.ts';
import { type Content, html, type Markup, visible } from '../../pages/markup.ts';
import { askOrNull, type Json } from './api.ts';
import type { WorkspaceDependencies } from './dependencies.ts';
import type { Visitor } from './visitor.ts';

const MOST = 10;

/** The line above a page's heading: links to what is above, each with its slash. */
export function crumbs(...links: Content[]): Markup {
  return html`<nav class="crumbs" aria-label="Path">${links}</nav>`;
}

/** Links to the projects above a record, as far as the visitor may see them. */
export async function crumbsAbove(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  record: Json,
  visitor: Visitor | null,
): Promise<Markup> {
  const above: Json[] = [];
  let owner = String(record.owner_uuid);
  while (owner.slice(6, 11) === 'j7d0g' && above.length < MOST) {
    const project = await askOrNull(context, deps, token, `groups/${owner}`, {
      query: { select: ['uuid', 'name', 'owner_uuid'] },
    });
    if (project === null) break;
    above.unshift(project);
    owner = String(project.owner_uuid);
  }
  const home = visitor !== null && owner === visitor.user.uuid ? 'My collections' : 'Keep';
  return html`<a href="/">${home}</a><span>/</span>${above.map(({ uuid, name }) => html`<a href="/c=${uuid}/">${visible(name)}</a><span>/</span>`)}`;
}
