/** The last requests of this isolate that failed, newest first: what an operator looks for by request id. */
export interface RecentError {
  /** RFC 3339. */
  time: string;
  requestId: string;
  method: string;
  /** Without signatures and tokens. */
  path: string;
  status: number;
  message: string;
}

const KEPT = 50;
const errors: RecentError[] = [];

export function noteError(error: RecentError): void {
  errors.unshift(error);
  if (errors.length > KEPT) errors.pop();
}

export function recentErrors(): readonly RecentError[] {
  return errors;
}
