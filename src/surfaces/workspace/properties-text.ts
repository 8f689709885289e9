/** Properties as lines: a text as it is, where it would not be taken for something else, and any other value as JSON. */
export function propertiesText(properties: Record<string, unknown>): string {
  const shown = (value: unknown) =>
    typeof value === 'string' &&
    value === value.trim() &&
    value !== '' &&
    !/[\r\n]/.test(value) &&
    !looksLikeJson(value)
      ? value
      : JSON.stringify(value);
  const name = (text: string) =>
    /^[^"{:\s][^:\r\n]*$/.test(text) && text === text.trim() ? text : JSON.stringify(text);
  return Object.entries(properties)
    .map(([key, value]) => `${name(key)}: ${shown(value)}`)
    .join('\n');
}

/** @throws Error with a sentence about the line that cannot be read */
export function parseProperties(lines: string): Record<string, unknown> {
  const found: [string, unknown][] = [];
  for (const line of lines.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const text = line.trim();
    const quoted = /^"(?:[^"\\]|\\.)*"/.exec(text)?.[0];
    const colon = text.indexOf(':', quoted?.length ?? 0);
    const name = text.slice(0, Math.max(colon, 0)).trim();
    if (name === '' || (name.startsWith('"') && name !== quoted))
      throw new Error(`Properties: “${text.slice(0, 60)}” is not of the form name: value.`);
    const value = text.slice(colon + 1).trim();
    found.push([
      quoted === undefined ? name : String(JSON.parse(quoted)),
      looksLikeJson(value) ? JSON.parse(value) : value,
    ]);
  }
  return Object.fromEntries(found);
}

/** Numbers, true, false, null, lists, objects and quoted texts. */
function looksLikeJson(text: string): boolean {
  if (!/^(-?\d|[[{"]|(true|false|null)$)/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
