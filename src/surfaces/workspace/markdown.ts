import MarkdownIt from 'markdown-it';
import { type Markup, trusted } from '../../pages/markup.ts';

/** Longer texts are shown as they are: rendering takes time by their length. */
const MAX_MARKDOWN_CHARS = 512 * 1024;

/**
 * Markdown as HTML of which nothing runs and nothing is fetched from elsewhere: HTML in it is shown as text, links go to
 * web pages and mail only, and a picture that is not of this service is a link.
 * @param base path of the directory that relative addresses are taken from
 */
export function renderMarkdown(text: string, base: string): Markup {
  if (text.length > MAX_MARKDOWN_CHARS) return trusted(`<pre>${engine.utils.escapeHtml(text)}</pre>`);
  return trusted(`<div class="markdown">${engine.render(text, { base })}</div>`);
}

const engine = new MarkdownIt({ html: false, linkify: false, typographer: false, maxNesting: 40 });
const { rules } = engine.renderer;

engine.validateLink = (url) => !/^[a-z][a-z0-9+.-]*:/i.test(url.trim()) || /^(https?|mailto):/i.test(url.trim());

/** The page has the first level. */
for (const rule of ['heading_open', 'heading_close'])
  rules[rule] = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    if (token) token.tag = `h${Math.min(6, Number(token.tag.slice(1)) + 1)}`;
    return self.renderToken(tokens, index, options);
  };

rules.link_open = (tokens, index, options, env, self) => {
  const token = tokens[index];
  const href = String(token?.attrGet('href') ?? '');
  const address = addressOf(href, baseOf(env));
  // A file's page rather than the file, which would be saved.
  token?.attrSet(
    'href',
    address !== href && !/[/?#]/.test(href.slice(-1)) && !href.includes('?') ? pageOf(address) : address,
  );
  if (isElsewhere(href)) token?.attrSet('rel', 'noopener noreferrer nofollow');
  return self.renderToken(tokens, index, options);
};

/** The style that aligns a column is a class here: the page's policy allows no styles in elements. */
for (const rule of ['th_open', 'td_open'])
  rules[rule] = (tokens, index, options, _env, self) => {
    const token = tokens[index];
    const align = /text-align:(right|center)/.exec(String(token?.attrGet('style') ?? ''))?.[1];
    if (token) token.attrs = align === undefined ? null : [['class', align]];
    return self.renderToken(tokens, index, options);
  };

rules.image = (tokens, index, _options, env) => {
  const token = tokens[index];
  const src = String(token?.attrGet('src') ?? '');
  const text = engine.utils.escapeHtml(token?.content ?? '');
  const address = engine.utils.escapeHtml(addressOf(src, baseOf(env)));
  if (isElsewhere(src)) return `<a href="${address}" rel="noopener noreferrer nofollow">${text || address}</a>`;
  return `<img src="${address}" alt="${text}" loading="lazy">`;
};

function isElsewhere(url: string): boolean {
  return /^([a-z][a-z0-9+.-]*:|\/\/|\\)/i.test(url.trim());
}

/** A relative address, from the directory of the text; one that leads to a page of the service is shown as the file it names. */
function addressOf(url: string, base: string): string {
  return isElsewhere(url) || url.startsWith('#') || url.startsWith('/') ? url : `${base}${url}`;
}

function pageOf(address: string): string {
  const hash = address.includes('#') ? address.slice(address.indexOf('#')) : '';
  return `${address.slice(0, address.length - hash.length)}?preview${hash}`;
}

function baseOf(env: unknown): string {
  return String((env as { base?: string } | undefined)?.base ?? '');
}
