/** A request that failed: what an operator looks for by request id. */
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

/** Kept for reading: of this isolate here, and by each object that gathers them. */
export const KEPT_ERRORS = 50;

const latest: RecentError[] = [];
let waiting: RecentError[] = [];

export function noteError(error: RecentError): void {
  latest.unshift(error);
  if (latest.length > KEPT_ERRORS) latest.pop();
  waiting.push(error);
  if (waiting.length > KEPT_ERRORS) waiting.shift();
}

/** Those of this isolate, newest first. */
export function recentErrors(): readonly RecentError[] {
  return latest;
}

/** Those that were not handed over yet, oldest first. */
export function takeErrors(): RecentError[] {
  const taken = waiting;
  waiting = [];
  return taken;
}

/** For errors that could not be handed over. */
export function putBackErrors(taken: readonly RecentError[]): void {
  waiting = [...taken, ...waiting].slice(-KEPT_ERRORS);
}
