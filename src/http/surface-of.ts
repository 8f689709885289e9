const SURFACES: [surface: string, path: RegExp][] = [
  ['blocks', /^\/\/?[0-9a-f]{32}/],
  ['api', /^\/(?:arvados|discovery)\//],
  ['files', /^\/+(?:c=|by_id|users|collections)/],
  ['operator', /^\/(?:keep-edge\/|metrics|_health)/],
  ['ga4gh', /^\/ga4gh\//],
  ['lists', /^\/(?:index|mounts|pull|trash|untrash)/],
];

/** What a path asks for, for figures. S3, which any path may be, and pages are told by their routes. */
export function surfaceOf(path: string): string {
  return SURFACES.find(([, pattern]) => pattern.test(path))?.[0] ?? 'other';
}
