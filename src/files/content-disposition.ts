/**
 * `inline` or `attachment`, with a name where one is asked for. A name that is not plain ASCII is given twice, as an
 * approximation for old clients and in full (RFC 6266, RFC 8187); so is one with a percent sign, because browsers decode
 * escapes in the quoted form. Nothing in a name can end the header or the quotes.
 */
export function contentDisposition(type: 'inline' | 'attachment', filename?: string): string {
  if (filename === undefined) return type;
  const name = shortened(filename);
  const plain = name.toWellFormed().replace(/[^\x20-\x7e]/g, '_');
  const quoted = `${type}; filename="${plain.replace(/["\\]/g, '\\$&')}"`;
  return plain === name && !name.includes('%') ? quoted : `${quoted}; filename*=UTF-8''${extendedValue(name)}`;
}

/** Most file systems take names of 255 bytes; a name in a manifest or a request may be a megabyte. */
const MAX_NAME_CHARS = 255;
const MAX_EXTENSION_CHARS = 20;

/** The name keeps its extension. */
function shortened(filename: string): string {
  if (filename.length <= MAX_NAME_CHARS) return filename;
  const dot = filename.lastIndexOf('.');
  const extension = dot >= filename.length - MAX_EXTENSION_CHARS ? filename.slice(dot) : '';
  // Not in the middle of a surrogate pair.
  return filename.slice(0, MAX_NAME_CHARS - extension.length).replace(/[\ud800-\udbff]$/, '') + extension;
}

function extendedValue(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
