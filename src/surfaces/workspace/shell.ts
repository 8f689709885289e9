import type { RequestContext } from '../../http/context.ts';
import { htmlPage, type Page } from '../../pages/html-page.ts';
import { type Content, html, type Markup, trusted } from '../../pages/markup.ts';
import type { Visitor } from './visitor.ts';

const LOGO = trusted(
  '<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><path d="M4 8l8-4 8 4v8l-8 4-8-4z M4 8l8 4 8-4 M12 12v8"/></svg>',
);

/** In place of a path: the page is about signing in itself. */
export const SIGNING_IN = '#';

/** The bar above every page. @param query what was searched for @param here the page's own path, to come back to */
export function barOf(visitor: Visitor | null, query = '', here = '/'): Markup {
  const next = here === '/' ? '' : `?next=${encodeURIComponent(here)}`;
  const account =
    visitor === null
      ? here !== SIGNING_IN && html`<a class="button" href="/workspace/sign-in${next}">Sign in</a>`
      : html`<details class="menu"><summary>${visitor.user.fullName || visitor.user.username || visitor.user.uuid}</summary>
<div><p class="soft">${visitor.user.username}${visitor.user.isAdmin ? ', admin' : ''}</p><a href="/workspace/tokens">Tokens</a>
<a href="/workspace/sign-in${next}">Use another account</a>
<form method="post" action="/workspace/sign-out"><button>Sign out</button></form></div></details>`;
  return html`<a class="skip" href="#main">Skip to content</a><header class="top"><a class="home" href="/">${LOGO}<span>Keep</span></a>
<form role="search" action="/workspace/search"><input type="search" name="q" value="${query}" placeholder="Search" aria-label="Search names, descriptions, properties and files"></form>
<nav aria-label="Pages">${visitor !== null && html`<a href="/workspace/trash">Trash</a>`}${visitor?.user.isAdmin && html`<a href="/workspace/operator">Operator</a>`}${account}</nav></header>`;
}

/** A page of the workspace with its bar. */
export function workspacePage(context: RequestContext, visitor: Visitor | null, page: Page): Response {
  return htmlPage({ bar: barOf(visitor, '', context.url.pathname + context.url.search), ...page });
}

/** One sentence in a box. */
export function notice(content: Content): Markup {
  return html`<div class="notice" role="status">${content}</div>`;
}

export function problem(content: Content): Markup {
  return html`<p class="problem" role="alert">${content}</p>`;
}
