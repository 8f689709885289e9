import { parseDuration } from '../../keep/duration.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { CliError, usageError } from '../cli-error.ts';

/** A user or role that something is shared with. */
export interface Recipient {
  uuid: string;
  name: string;
}

const UUID = /^[0-9a-z]{5}-(tpzed|j7d0g)-[0-9a-z]{15}$/;
const SPECIAL: Record<string, string> = { public: 'anonymouspublic', everyone: 'fffffffffffffff' };
const DAY_SECONDS = 86_400;

/** The user or role that a word on the command line names. @throws CliError when there is none, or more than one */
export async function recipientOf(api: Api, word: string): Promise<Recipient> {
  const special = SPECIAL[word];
  if (special !== undefined) {
    const { uuid } = await api('arvados/v1/users/current');
    return {
      uuid: `${String(uuid).slice(0, 5)}-j7d0g-${special}`,
      name: word === 'public' ? 'The public' : 'All users',
    };
  }
  if (UUID.test(word)) return { uuid: word, name: word };
  const users = await find(api, 'users', [[word.includes('@') ? 'email' : 'username', '=', word]]);
  const groups = await find(api, 'groups', [
    ['name', '=', word],
    ['group_class', '=', 'role'],
  ]);
  const [found, another] = [...users, ...groups];
  if (found === undefined) throw new CliError(`There is no user and no role called ${word}.`);
  if (another !== undefined) throw new CliError(`More than one user or role is called ${word}: give a UUID.`);
  return { uuid: String(found.uuid), name: word };
}

async function find(api: Api, resource: string, filters: unknown[]): Promise<Row[]> {
  const page = await api(`arvados/v1/${resource}`, { query: { filters, limit: 2, count: 'none' } });
  return (page.items ?? []) as Row[];
}

/** For the failure of making a record: says which name is taken. */
export function nameTaken(kind: string, name: string | undefined): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiError && error.status === 422 && error.message.includes('already been taken'))
      throw new CliError(`There is a ${kind} called ${name} already.`);
    throw error;
  };
}

export function isPermission({ link_class }: Row): boolean {
  return link_class === 'permission';
}

/** When a link ends, in RFC 3339; null for never. @param now Unix milliseconds @throws CliError with exit code 2 */
export function expiryIn(text: string | undefined, now: number): string | null {
  if (text === undefined) return null;
  const days = /^(\d{1,5})d$/.exec(text)?.[1];
  const seconds = days === undefined ? durationOf(text) : Number(days) * DAY_SECONDS;
  if (seconds <= 0) throw usageError('--expires takes a time such as 30d, 12h or 90m.');
  return new Date(now + seconds * 1000).toISOString();
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    return 0;
  }
}
