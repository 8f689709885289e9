const TOKEN_UUID = /^[0-9a-z]{5}-gj3su-[0-9a-z]{15}$/;

/**
 * The components of a percent-decoded path. Empty ones and `.` mean nothing. The parser of addresses and the redaction
 * of logs both cut paths here: a path that they cut differently would put its token into the log.
 */
export function pathComponents(path: string): string[] {
  return path.split('/').filter((component) => component !== '' && component !== '.');
}

/** How many components the token takes whose first one has the text `token`: the slashes of a v2 token cut it in three. */
export function tokenSpan(token: string, uuid: string | undefined, secret: string | undefined): 1 | 3 {
  return token === 'v2' && uuid !== undefined && TOKEN_UUID.test(uuid) && secret !== undefined ? 3 : 1;
}
