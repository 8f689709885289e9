import { S3Error } from './errors.ts';

/** A POST policy: what a form may upload. Conditions as AWS has them. */
export interface Policy {
  minBytes: number;
  maxBytes: number;
}

type Condition =
  | { kind: 'eq' | 'starts-with'; field: string; value: string }
  | { kind: 'range'; min: number; max: number };

/** Fields that no condition needs to name. */
const FREE = new Set(['x-amz-signature', 'file', 'policy']);

/**
 * Judges a form by its policy.
 * @param text the policy as it was signed, base64
 * @param fields of the form, lower-case names; `bucket` counts as one
 * @param now Unix milliseconds
 * @throws S3Error InvalidPolicyDocument; AccessDenied for what the policy does not allow
 */
export function judgePolicy(text: string, fields: ReadonlyMap<string, string>, now: number): Policy {
  const { expiration, conditions } = parsePolicy(text);
  if (expiration < now) throw new S3Error('AccessDenied', 'Invalid according to Policy: Policy expired.');
  for (const condition of conditions) {
    if (condition.kind === 'range') continue;
    const given = fields.get(condition.field) ?? '';
    const holds = condition.kind === 'eq' ? given === condition.value : given.startsWith(condition.value);
    if (!holds)
      throw new S3Error(
        'AccessDenied',
        `Invalid according to Policy: Policy Condition failed: ["${condition.kind}", "$${condition.field}", …]`,
      );
  }
  const named = new Set(conditions.flatMap((condition) => (condition.kind === 'range' ? [] : [condition.field])));
  for (const field of fields.keys()) {
    if (FREE.has(field) || field.startsWith('x-ignore-') || named.has(field) || field === 'bucket') continue;
    throw new S3Error('AccessDenied', `Invalid according to Policy: Extra input fields: ${field.slice(0, 100)}`);
  }
  const ranges = conditions.filter((condition) => condition.kind === 'range');
  return {
    minBytes: Math.max(0, ...ranges.map(({ min }) => min)),
    maxBytes: Math.min(Number.POSITIVE_INFINITY, ...ranges.map(({ max }) => max)),
  };
}

function parsePolicy(text: string): { expiration: number; conditions: Condition[] } {
  let document: unknown;
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: it is no JSON in base64.');
  }
  const { expiration, conditions } = (document ?? {}) as { expiration?: unknown; conditions?: unknown };
  const time = typeof expiration === 'string' ? Date.parse(expiration) : Number.NaN;
  if (Number.isNaN(time) || !Array.isArray(conditions))
    throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: it needs an expiration and a list of conditions.');
  return { expiration: time, conditions: conditions.flatMap(conditionsOf) };
}

function conditionsOf(condition: unknown): Condition[] {
  if (Array.isArray(condition)) return [listed(condition)];
  if (typeof condition !== 'object' || condition === null) throw invalid(condition);
  return Object.entries(condition).map(([name, value]) => {
    if (typeof value !== 'string') throw invalid(condition);
    return { kind: 'eq', field: name.toLowerCase(), value };
  });
}

function listed([kind, first, second]: unknown[]): Condition {
  const verb = typeof kind === 'string' ? kind.toLowerCase() : '';
  if (verb === 'content-length-range') {
    const [min, max] = [Number(first), Number(second)];
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min < 0) throw invalid(kind);
    return { kind: 'range', min, max };
  }
  if ((verb !== 'eq' && verb !== 'starts-with') || typeof first !== 'string' || typeof second !== 'string')
    throw invalid(kind);
  if (!first.startsWith('$')) throw invalid(first);
  return { kind: verb, field: first.slice(1).toLowerCase(), value: second };
}

function invalid(what: unknown): S3Error {
  return new S3Error(
    'InvalidPolicyDocument',
    `Invalid Policy: Invalid condition ${JSON.stringify(what)?.slice(0, 100) ?? ''}`,
  );
}
