/** Compares two secrets in a time that depends on the length of `given` only, not on where they differ. */
export function equalInConstantTime(given: string, secret: string): boolean {
  let difference = given.length ^ secret.length;
  for (let i = 0; i < given.length; i++) {
    // Past the end of the secret charCodeAt is NaN, which counts as 0: the lengths already differ then.
    difference |= given.charCodeAt(i) ^ secret.charCodeAt(i);
  }
  return difference === 0;
}
