import * as v from 'valibot';

/** Where people find a service; null when it is not set. */
export const origin = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^(https?:\/\/[^/?#]+\/?)?$/, 'write an address such as "https://download.example.org"'),
    v.transform((text) => (text === '' ? null : text.replace(/\/$/, ''))),
  ),
  '',
);

/** Hosts of collections' own; null when there are none. */
export const ownHosts = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^(https?:\/\/\*(\.|--)[^*/?#]+\/?)?$/, 'write an address such as "https://*.collections.example.org"'),
    v.transform((text) => (text === '' ? null : text.replace(/\/$/, ''))),
  ),
  '',
);

/** `keep0.example.org keep1.example.org:25107`, or the same as an array. */
export const hostList = v.optional(
  v.pipe(
    v.union([
      v.array(v.string()),
      v.pipe(
        v.string(),
        v.transform((text) => text.split(/[\s,]+/).filter(Boolean)),
      ),
    ]),
    v.array(
      v.pipe(
        v.string(),
        v.regex(/^[a-z0-9.:[\]_-]+$/i, 'write host names such as "keep0.example.org" or "keep0.example.org:25107"'),
        v.toLowerCase(),
      ),
    ),
  ),
  [],
);
