/// <reference path="./async-hooks.d.ts" />
import { AsyncLocalStorage } from 'node:async_hooks';
import { setRequestIdSource } from '../keep/request-id.ts';

const scope = new AsyncLocalStorage<string>();
setRequestIdSource(() => scope.getStore() ?? '');

/** Runs work for a request: whatever it calls, now or later, knows the request's id. */
export function forRequest<Result>(id: string, work: () => Result): Result {
  return scope.run(id, work);
}
