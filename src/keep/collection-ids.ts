const UUID = /^[0-9a-z]{5}-(4zz18|j7d0g)-[0-9a-z]{15}$/;
const PDH = /^[0-9a-f]{32}\+[0-9]+$/;

/** The collection or project that a host name belongs to: `ID.suffix` or `ID--suffix`. */
export function idOfHost(host: string): string | null {
  const label = host.toLowerCase().replace(/[.:].*$/s, '');
  const text = label.includes('--') ? label.slice(0, label.indexOf('--')) : label;
  return parseId(text.replace('-', '+'), text);
}

/** A UUID of a collection or project, or a portable data hash in the spelling with `+`; null otherwise. */
export function parseSiteId(text: string): string | null {
  return parseId(text, text);
}

/** As parseSiteId, for places where a portable data hash is spelled in another way than a UUID. */
export function parseId(asHash: string, asUuid: string): string | null {
  const hash = asHash.replaceAll(' ', '+');
  if (PDH.test(hash)) return hash;
  return UUID.test(asUuid) ? asUuid : null;
}
