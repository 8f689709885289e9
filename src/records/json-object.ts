import * as v from 'valibot';

/** Any JSON object, with all its keys: valibot's own record leaves out `__proto__`, `prototype` and `constructor`. */
export const JsonObject = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
