import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import type { ApiRequest, WorkspaceDependencies } from './dependencies.ts';

// biome-ignore lint/suspicious/noExplicitAny: records of all kinds, read field by field
export type Json = any;

/** The API refused: its status, and its sentences for people. */
export class ApiProblem extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Items of one request to the API, and of one page of a list here. */
const API_PAGE = 1000;

/** @throws ApiProblem when the API refuses; KeepError not_configured without an API */
export async function ask(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  path: string,
  request: ApiRequest = {},
): Promise<Json> {
  const response = await call(context, deps, token, path, request);
  return response.json();
}

/** As `ask`, with the answer as it comes. */
export async function call(
  context: RequestContext,
  { api }: WorkspaceDependencies,
  token: string,
  path: string,
  request: ApiRequest = {},
): Promise<Response> {
  if (api === null) throw new KeepError('not_configured');
  const response = await api(context, token, path, request);
  if (response.ok) return response;
  const text = await response.text();
  throw new ApiProblem(response.status, sentenceOf(text) ?? `the API answered ${response.status}`);
}

/** Null where the API says no: what cannot be seen is not there. */
export async function askOrNull(...asking: Parameters<typeof ask>): Promise<Json | null> {
  try {
    return await ask(...asking);
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500) return null;
    throw error;
  }
}

/** All items of a list up to `most`, without counting those beyond. */
export async function askAll(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  path: string,
  query: Record<string, unknown>,
  most: number,
): Promise<Json[]> {
  const items: Json[] = [];
  while (items.length < most) {
    const limit = Math.min(API_PAGE, most - items.length);
    const page = await ask(context, deps, token, path, {
      query: { count: 'none', ...query, limit, offset: items.length },
    });
    items.push(...page.items);
    if (page.items.length < Math.min(limit, page.limit ?? limit)) break;
    if (page.items.length === 0) break;
  }
  return items;
}

function sentenceOf(text: string): string | null {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors)
      ? errors
          .map(String)
          .join('; ')
          .replace(/ \(req-\w+\)$/, '')
      : null;
  } catch {
    return null;
  }
}
