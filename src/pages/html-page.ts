import { escapeXml } from '../http/xml.ts';
import { iconSheet } from './icons.ts';
import { Markup } from './markup.ts';
import { PAGE_STYLE } from './page-style.ts';

/** Where the scripts of the pages are, on every host. A collection's own directory of this name is behind `/_/`. */
export const ASSETS_PATH = '/.keep-edge/assets/';

export interface Page {
  title: string;
  /** What stands in the page's `main`. */
  body: Markup | string;
  /** What stands before `main`: the bar. */
  bar?: Markup | null;
  status?: number;
  headers?: Record<string, string>;
  /** Assets that run in the page; `listing.js` when missing. */
  scripts?: readonly string[];
  /** Sources beyond the page's own files, by directive of its policy. */
  allow?: Record<string, string>;
  /** Whether its scripts compile WebAssembly. */
  wasm?: boolean;
  /** Class of the body: `wide` for tables and tracks. */
  kind?: string;
  /** What others' programs draw in it has dark texts only. */
  isLight?: boolean;
}

/**
 * One of the service's own pages. Its policy allows only the page's own style and the service's own scripts, so that no
 * name or text in a collection can run as one or make a request to another site.
 */
export function htmlPage(page: Page): Response {
  const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
  const scripts = (page.scripts ?? ['listing.js']).map(
    (name) => `<script type="module" nonce="${nonce}" src="${ASSETS_PATH}${escapeXml(name)}"></script>`,
  );
  const body = String(page.body);
  const icons = body.includes('<use ') ? iconSheet() : '';
  const html =
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">' +
    `<meta name="color-scheme" content="${page.isLight === true ? 'light' : 'light dark'}"><title>${escapeXml(page.title)}</title>` +
    `<link rel="icon" href="${ASSETS_PATH}icon.svg"><style nonce="${nonce}">${PAGE_STYLE}</style></head>` +
    `<body${page.kind === undefined ? '' : ` class="${escapeXml(page.kind)}"`}>` +
    `${page.bar instanceof Markup ? page.bar.text : ''}${icons}<main id="main">${body}</main>${scripts.join('')}</body></html>\n`;
  return new Response(html, {
    status: page.status ?? 200,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policyOf(nonce, page),
      'X-Content-Type-Options': 'nosniff',
      // With no-referrer, a form's Origin would be null for this service too.
      'Referrer-Policy': 'same-origin',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': 'private, no-cache',
      ...page.headers,
    },
  });
}

const POLICY: Record<string, string> = {
  'default-src': "'none'",
  'img-src': "'self' data:",
  'media-src': "'self'",
  'connect-src': "'self'",
  'worker-src': "'self'",
  'form-action': "'self'",
  'base-uri': "'none'",
  'frame-ancestors': "'none'",
};

function policyOf(nonce: string, { wasm = false, allow = {} }: Page): string {
  const own = {
    ...POLICY,
    'style-src': `'nonce-${nonce}'`,
    'script-src': `'nonce-${nonce}' 'strict-dynamic'${wasm ? " 'wasm-unsafe-eval'" : ''}`,
  };
  return Object.entries({ ...own, ...allow })
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join('; ');
}
