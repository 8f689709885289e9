import { bearer } from './keep.ts';
import type { TestService } from './service.ts';

/** Sends a form as a page for people does. @returns status, where it leads, and the page that comes in place of that */
export async function submitForm(
  service: TestService,
  token: string,
  path: string,
  fields: [string, string][],
): Promise<{ status: number; to: URL; text: string }> {
  const answer = await fetch(service.url + path, {
    method: 'POST',
    headers: { ...bearer(token), 'Sec-Fetch-Site': 'same-origin' },
    body: new URLSearchParams(fields),
    redirect: 'manual',
  });
  const to = new URL(answer.headers.get('Location') ?? '/', service.url);
  return { status: answer.status, to, text: await answer.text() };
}
