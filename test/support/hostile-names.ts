import fc from 'fast-check';

/** Strings out of what breaks quoting, escaping, URLs, headers and sorting somewhere. */
export function hostileName(limits: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    ...'ab0 /\\"\'<>&%?#;=+:,()*![]{}|~`^.@$-_',
    '\n',
    '\r',
    '\t',
    '\0',
    '\x7f',
    'é',
    '☃',
    '😀',
    '\u2028',
    '\ufffe',
    'ﬀ',
    'e\u0301',
  );
  return fc.string({ ...limits, unit });
}
