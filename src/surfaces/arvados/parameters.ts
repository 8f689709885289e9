import { KeepError } from '../../keep/errors.ts';
import type { Row } from '../../records/columns.ts';
import { parseJson } from '../../streams/json/parse.ts';

const BOOLEANS = new Set([
  'distinct',
  'ensure_unique_name',
  'include_trash',
  'include_old_versions',
  'recursive',
  'exclude_home_project',
  'bypass_federation',
  'must_be_new',
]);
/** Credentials, and `alt=json` of the Python client. */
const IGNORED = new Set(['api_token', 'alt', '_method', 'reader_tokens', 'oauth_token']);

/** A query's parameters with their types. */
export function queryParameters(query: URLSearchParams): Row {
  const given = [...query].filter(([name]) => !IGNORED.has(name));
  // Not by assignment, which would take `__proto__` for something else.
  return Object.fromEntries(given.map(([name, value]) => [name, typedParameter(name, value)]));
}

/**
 * A parameter sent as text. Booleans are false when `""`, `false` or `0`; text that begins like JSON is JSON; `null` and
 * the empty text count as not given.
 * @throws KeepError bad_request
 */
export function typedParameter(name: string, text: string): unknown {
  if (BOOLEANS.has(name)) return text !== '' && text !== 'false' && text !== '0';
  if (text === '' || text === 'null') return undefined;
  if (!/^[[{"]/.test(text)) return text;
  try {
    return parseShallowJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new KeepError('bad_request', { message: `${name} is not valid JSON` });
  }
}

/** A boolean parameter, sent as JSON or as text. */
export function isSet(parameters: Row, name: string): boolean {
  const value = parameters[name];
  return (
    value === true || (typeof value === 'string' && value !== '' && value !== 'false' && value !== '0') || value === 1
  );
}

/** Deeper than any record; the database gives up at 1000, the runtime's stack later. */
const MAX_JSON_DEPTH = 64;

/** Parses JSON of bounded depth. @throws SyntaxError; KeepError invalid_record for numbers that would be changed */
export function parseShallowJson(text: string): unknown {
  const value = parseJson(text);
  if (isDeeper(value, MAX_JSON_DEPTH)) throw new SyntaxError('too deep');
  return value;
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((part) => isDeeper(part, depth - 1));
}
