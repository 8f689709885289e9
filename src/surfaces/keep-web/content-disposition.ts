/**
 * `inline` or `attachment`, with a name where one is asked for. A name that is not plain ASCII is given twice, as an
 * approximation for old clients and in full (RFC 6266, RFC 8187). Nothing in a name can end the header or the quotes.
 */
export function contentDisposition(type: 'inline' | 'attachment', filename?: string): string {
  if (filename === undefined) return type;
  const plain = filename.toWellFormed().replace(/[^\x20-\x7e]/g, '_');
  const quoted = `${type}; filename="${plain.replace(/["\\]/g, '\\$&')}"`;
  return plain === filename ? quoted : `${quoted}; filename*=UTF-8''${extendedValue(filename)}`;
}

function extendedValue(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
