/// <reference path="./async-hooks.d.ts" />
import { AsyncLocalStorage } from 'node:async_hooks';
import { setRequestIdSource } from '../keep/request-id.ts';

/** What everything that is done for a request can look up. */
interface RequestScope {
  id: string;
  /** Whether the platform samples a trace of it; null where that was not asked. */
  isTraced: boolean | null;
}

const scope = new AsyncLocalStorage<RequestScope>();
setRequestIdSource(() => scope.getStore()?.id ?? '');

/** Runs work for a request: whatever it calls, now or later, knows the request's id. */
export function forRequest<Result>(id: string, work: () => Result, isTraced: boolean | null = null): Result {
  return scope.run({ id, isTraced }, work);
}

/** Whether the request at hand is sampled; null where that is not known. */
export function isTraced(): boolean | null {
  return scope.getStore()?.isTraced ?? null;
}
