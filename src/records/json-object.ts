import * as v from 'valibot';

const JsonObject = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);

/** An object of a client's JSON with all its keys: `v.record` would drop `constructor` and `__proto__`. */
export function jsonObject(maxBytes: number) {
  return v.pipe(
    JsonObject,
    v.check(
      (value) => new TextEncoder().encode(JSON.stringify(value)).length <= maxBytes,
      `too large: at most ${maxBytes} bytes as JSON`,
    ),
  );
}

/**
 * An object of a client's JSON, or null for an empty one, as the JSON text that is stored.
 */
export function storedObject(maxBytes: number) {
  return v.pipe(
    v.nullable(JsonObject),
    v.transform((value) => JSON.stringify(value ?? {})),
    v.maxBytes(maxBytes, `too large: at most ${maxBytes} bytes as JSON`),
  );
}
