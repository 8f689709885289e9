import { escapeXml } from '../../http/xml.ts';
import { PAGE_SCRIPT, PAGE_STYLE } from './page-assets.ts';

/**
 * One of the service's own pages. Its policy allows only the page's own style and script, so that no name in a
 * collection can run as one.
 */
export function htmlPage(title: string, body: string, status = 200, headers: Record<string, string> = {}): Response {
  const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
  const html =
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">' +
    `<title>${escapeXml(title)}</title><style nonce="${nonce}">${PAGE_STYLE}</style></head>` +
    `<body><main>${body}</main><script nonce="${nonce}">${PAGE_SCRIPT}</script></body></html>\n`;
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
  return new Response(html, {
    status,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      // With no-referrer, a form's Origin would be null for this service too.
      'Referrer-Policy': 'same-origin',
      'Cache-Control': 'private, no-cache',
      ...headers,
    },
  });
}
