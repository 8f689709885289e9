import { type ErrorCode, KeepError } from '../keep/errors.ts';

/** A service's last answer. */
export interface ServiceAnswer {
  url: string;
  /** HTTP status; null when there was no answer, or not a usable one. */
  status: number | null;
  /** A short reason for people. Holds no token and no signature. */
  reason: string;
  mayPass: boolean;
}

/** An operation that all Keep services together failed to do. The message names services: don't show it to clients of a proxy. */
export class ServicesError extends KeepError {
  readonly answers: readonly ServiceAnswer[];
  /** Copies that a failed write stored all the same. */
  readonly replicas: number;

  constructor(code: ErrorCode, what: string, answers: readonly ServiceAnswer[], replicas = 0) {
    const said = answers.map(({ url, status, reason }) => `${url}: ${[status, reason].filter(Boolean).join(' ')}`);
    super(code, { message: [what, said.join('; ')].filter(Boolean).join(': ') });
    this.answers = answers;
    this.replicas = replicas;
  }
}

const ABSENT = new Set<number | null>([403, 404, 410]);

/** A block is not there only when every service says so; anything else is a failure to find out. */
export function readError(answers: readonly ServiceAnswer[]): ServicesError {
  if (answers.length === 0) return new ServicesError('bad_gateway', 'no Keep services available', []);
  const absent = answers.every(({ status }) => ABSENT.has(status));
  return absent
    ? new ServicesError('not_found', 'block not found', answers)
    : new ServicesError('bad_gateway', 'no Keep service delivered the block', answers);
}

export function writeError(answers: readonly ServiceAnswer[], wanted: string, replicas: number): ServicesError {
  if (answers.length === 0 && replicas === 0) return new ServicesError('unavailable', 'no writable Keep services', []);
  const full = answers.length > 0 && answers.every(({ status }) => status === 507);
  const what = `wanted ${wanted}, stored ${replicas}`;
  return new ServicesError(full ? 'full' : 'unavailable', what, answers, replicas);
}
