/** One secret, without anything of its value. */
export interface SecretState {
  name: string;
  isSet: boolean;
  /** Why it could be guessed, as the end of a sentence: "has fewer than 32 characters". */
  weakness: string | null;
}

/** Others than these are made elsewhere: the stores' keys and the sign-in provider's secret. */
const JUDGED = [
  'SYSTEM_ROOT_TOKEN',
  'MANAGEMENT_TOKEN',
  'BLOB_SIGNING_KEY',
  'BLOB_SIGNING_KEY_PREVIOUS',
  'S3_KEY_SECRET',
  'WEBHOOK_SECRET',
];
const MIN_CHARS = 32;
/** 32 random hexadecimal digits have 14 different ones; fewer than 8 in less than one of a million. */
const MIN_DIFFERENT = 8;
const MAX_PERIOD = 16;

/** Which of the service's own secrets are set, and which of them are too weak. */
export function secretStates(env: Record<string, unknown>): SecretState[] {
  const values = JUDGED.map((name) => ({ name, value: textOf(env[name]) }));
  const judged = values.map(({ name, value }, at) => ({
    name,
    isSet: value !== '',
    weakness: value === '' ? null : (weaknessOf(value) ?? sameAs(value, values.slice(0, at))),
  }));
  const others = ['ANONYMOUS_USER_TOKEN', 'OIDC_CLIENT_SECRET'];
  return [...judged, ...others.map((name) => ({ name, isSet: textOf(env[name]) !== '', weakness: null }))];
}

function weaknessOf(value: string): string | null {
  if (value.length < MIN_CHARS) return `has fewer than ${MIN_CHARS} characters`;
  if (new Set(value).size < MIN_DIFFERENT) return `has fewer than ${MIN_DIFFERENT} different characters`;
  return hasPeriod(value) ? 'repeats itself' : null;
}

/** Whether a short text was written again and again. */
function hasPeriod(value: string): boolean {
  for (let period = 1; period <= MAX_PERIOD; period++)
    if ([...value].every((char, at) => char === value[at % period])) return true;
  return false;
}

function sameAs(value: string, others: readonly { name: string; value: string }[]): string | null {
  const other = others.find((one) => one.value === value);
  return other === undefined ? null : `is the same as ${other.name}`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
