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
export function parseProperties(text: string): Record<string, unknown> {
  const found: [string, unknown][] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const match = /^\s*("(?:[^"\\]|\\.)*"|[^":][^:]*?)\s*:\s*(.*?)\s*$/.exec(line);
    if (match === null) throw new Error(`Properties: “${line.trim().slice(0, 60)}” is not of the form name: value.`);
    const [, name = '', value = ''] = match;
    found.push([
      name.startsWith('"') ? String(JSON.parse(name)) : name,
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
