import type { TestUser } from '../support/api.ts';

/** The cookie of who is signed in. */
export function sessionOf({ token }: TestUser, url: string) {
  return { name: 'arvados_api_token', value: Buffer.from(token).toString('base64url'), url, httpOnly: true };
}
