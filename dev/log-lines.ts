/** A line of the Worker's log as people read it: one request a line, no JSON. Anything that is no such line stays as it is. */
export function readableLine(text: string): string {
  const line = parse(text);
  if (line === null) return text;
  const { level, time, msg, error, ...rest } = line;
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const failure = typeof error === 'string' ? ` ${error}` : '';
  if (msg === 'response') return `${clock} ${requestOf(rest)}${failure}`;
  const fields = Object.entries(rest).map(([name, value]) => ` ${name}=${format(value)}`);
  return `${clock} ${level === 'info' ? '' : `${String(level)}: `}${String(msg)}${fields.join('')}${failure}`;
}

/** Whether a line is about a request that went well. */
export function isRoutine(text: string): boolean {
  const line = parse(text);
  return line !== null && line.msg === 'response' && line.error === undefined;
}

function requestOf(fields: Record<string, unknown>): string {
  const { reqMethod, reqPath, respStatusCode, respBytes, timeTotal } = fields;
  const size = typeof respBytes === 'number' && respBytes > 0 ? `  ${bytes(respBytes)}` : '';
  return `${respStatusCode} ${reqMethod} /${reqPath}${size}  ${Math.round(Number(timeTotal) * 1000)} ms`;
}

function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const power = Math.min(4, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** power).toFixed(1)} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

function format(value: unknown): string {
  return typeof value === 'string' && !/[\s"]/.test(value) ? value : JSON.stringify(value);
}

function parse(text: string): Record<string, unknown> | null {
  if (!text.startsWith('{')) return null;
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null && 'msg' in line ? (line as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
