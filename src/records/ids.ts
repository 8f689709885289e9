const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
/** 36 * 7: larger bytes are dropped, so that every character is equally likely. */
const FAIR_LIMIT = 252;
const UUID_TAIL_LENGTH = 15;
const SECRET_LENGTH = 50;
/** Ends of the UUIDs that every cluster has: the role of all active users, and the user and the role of the public. */
export const EVERYONE_TAIL = 'fffffffffffffff';
export const ANONYMOUS_TAIL = 'anonymouspublic';

/** The five characters in the middle of an Arvados UUID, by kind of record. */
export const INFIX = {
  user: 'tpzed',
  token: 'gj3su',
  group: 'j7d0g',
  collection: '4zz18',
  log: '57u5n',
  keepService: 'bi6l4',
  link: 'o0j2j',
} as const;

/** A new UUID, `ccccc-ttttt-` and 15 random characters. */
export function createUuid(clusterId: string, infix: string): string {
  return `${clusterId}-${infix}-${randomText(UUID_TAIL_LENGTH)}`;
}

/** The secret of a new token: about 258 bits. */
export function createSecret(): string {
  return randomText(SECRET_LENGTH);
}

/** The root token's user, and the owner of users and groups without another owner. */
export function systemUserUuid(clusterId: string): string {
  return `${clusterId}-${INFIX.user}-${'0'.repeat(UUID_TAIL_LENGTH)}`;
}

/** Whether the text has the form of a UUID, of the given kind if one is named. */
export function isUuid(text: string, infix?: string): boolean {
  const shape = /^[0-9a-z]{5}-([0-9a-z]{5})-[0-9a-z]{15}$/.exec(text);
  return shape !== null && (infix === undefined || shape[1] === infix);
}

function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < FAIR_LIMIT && text.length < length) text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text;
}

/** Whether a user or group is one that every cluster has: it is neither changed nor deleted. */
export function isBuiltIn(uuid: string): boolean {
  const tail = uuid.slice(-UUID_TAIL_LENGTH);
  return tail === EVERYONE_TAIL || tail === ANONYMOUS_TAIL || tail === '0'.repeat(UUID_TAIL_LENGTH);
}
