import { escapeXml } from '../../http/xml.ts';

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** One element; `content` is XML already. */
export function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

/** One element with text. */
export function textElement(name: string, text: string | number | boolean): string {
  return `<${name}>${escapeXml(String(text))}</${name}>`;
}

/** A whole document with S3's namespace on its root. */
export function s3Document(root: string, content: string): string {
  return xmlDocument(`<${root} xmlns="${NAMESPACE}">${content}</${root}>`);
}

export function xmlDocument(root: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

export function xmlResponse(text: string, init: { status?: number; headers?: Record<string, string> } = {}): Response {
  return new Response(text, {
    status: init.status ?? 200,
    headers: { 'Content-Type': 'application/xml', 'X-Content-Type-Options': 'nosniff', ...init.headers },
  });
}
