import { isKeepError } from '../../keep/errors.ts';
import { ServicesError } from '../../services/services-error.ts';

export type Judgement = 'missing' | 'wrong' | 'not reached';

const ABSENT = new Set<number | null>([404, 410]);
/** What keepstores and this service say, and what a client says that has hashed the block itself. */
const WRONG = /checksum mismatch/i;

/**
 * What a failed read says about the block. Gone or wrong is it only when every service said so: one that does not answer, or refuses
 * the token, may have it.
 */
export function judgeFailure(error: unknown): Judgement {
  if (!(error instanceof ServicesError)) return isKeepError(error, 'corrupt') ? 'wrong' : 'not reached';
  const isAbsent = ({ status }: { status: number | null }) => ABSENT.has(status);
  const { answers } = error;
  if (answers.length === 0) return 'not reached';
  if (answers.every(isAbsent)) return 'missing';
  return answers.every((answer) => isAbsent(answer) || WRONG.test(answer.reason)) ? 'wrong' : 'not reached';
}
