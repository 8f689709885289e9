import { limitedText as limited } from '../../http/limited-text.ts';

/** WebDAV bodies are a few property names, or a lock's owner. */
export const MAX_DAV_BODY_BYTES = 64 * 1024;

/** The text of a WebDAV body. @throws KeepError too_large */
export function limitedText(request: Request): Promise<string> {
  return limited(request, MAX_DAV_BODY_BYTES);
}
