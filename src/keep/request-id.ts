let source: () => string = () => '';

/** The id of the request that is worked on; '' outside of any. What calls other services and queues passes it on. */
export function currentRequestId(): string {
  return source();
}

/** The Worker's start sets it: src/app/request-scope.ts. */
export function setRequestIdSource(of: () => string): void {
  source = of;
}

/** The header that carries it to other services; none outside of a request. */
export function requestIdHeader(): Record<string, string> {
  const id = currentRequestId();
  return id === '' ? {} : { 'X-Request-Id': id };
}
