import type { RequestContext } from '../../http/context.ts';
import { KeepError } from '../../keep/errors.ts';
import { boundedJson, startOfText } from '../../streams/bounded-text.ts';
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
/** Pages have a few MiB; a cluster's API may answer with anything. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;

/** @throws ApiProblem when the API refuses; KeepError not_configured without an API, bad_gateway for half an answer or one without end */
export async function ask(
  context: RequestContext,
  deps: WorkspaceDependencies,
  token: string,
  path: string,
  request: ApiRequest = {},
): Promise<Json> {
  const response = await call(context, deps, token, path, request);
  try {
    return await boundedJson(response, MAX_ANSWER_BYTES);
  } catch (cause) {
    throw new KeepError('bad_gateway', { message: 'the API gave no whole answer', cause });
  }
}

/** As `ask`, for a change whose answer is not looked at: that of a collection would bring its whole manifest. */
export async function change(...asking: Parameters<typeof ask>): Promise<void> {
  await (await call(...asking)).body?.cancel();
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
  const text = await startOfText(response, MAX_REFUSAL_BYTES);
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
