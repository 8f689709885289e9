import { expect, test } from 'vitest';
import { limitedText } from '../../../src/http/limited-text.ts';
import { readFields } from '../../../src/surfaces/keep-web/request-fields.ts';
import type { S3Call } from '../../../src/surfaces/s3/call.ts';
import { requestXml } from '../../../src/surfaces/s3/request-xml.ts';
import { children } from '../../../src/surfaces/s3/xml-document.ts';

const MIB = 2 ** 20;
const URL_TEXT = 'http://host/';

/** A form that comes slowly: what was sent, and the rest only when asked for. */
function slowForm(bytes: number) {
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const request = new Request(URL_TEXT, { method: 'POST', body: readable, headers });
  const fields = readFields(request, new URL(URL_TEXT)).then(
    (read) => read.get('a')?.length,
    (error: { code: string }) => error.code,
  );
  const send = async (text: string) => writer.write(new TextEncoder().encode(text)).catch(() => undefined);
  return { begin: () => send(`a=${'x'.repeat(bytes)}`), end: () => writer.close().catch(() => undefined), fields };
}

test('slow bodies that are held share memory: more than fit are refused, small ones never, and room comes back', async () => {
  const forms = Array.from({ length: 10 }, () => slowForm(3 * MIB));
  for (const form of forms) await form.begin();
  const small = new Request(URL_TEXT, { method: 'POST', body: 'a short body' });
  await expect(limitedText(small, MIB)).resolves.toBe('a short body');
  for (const form of forms) await form.end();
  const outcomes = await Promise.all(forms.map(({ fields }) => fields));
  expect(outcomes.filter((outcome) => outcome === 3 * MIB).length).toBe(7);
  expect(outcomes.filter((outcome) => outcome === 'unavailable').length).toBe(3);
  const again = slowForm(3 * MIB);
  await again.begin();
  await again.end();
  await expect(again.fields).resolves.toBe(3 * MIB);
});

test('documents of S3 share it too, and are put together as they come', async () => {
  const documentOf = (bytes: number) => `<Delete><Object><Key>a</Key></Object>${' '.repeat(bytes)}</Delete>`;
  const begun = Array.from({ length: 5 }, () => {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const request = new Request(URL_TEXT, { method: 'POST', body: readable });
    const read = requestXml({ context: { request }, signed: null } as unknown as S3Call, 'Delete').then(
      (document) => children(document, 'Object').length,
      (error: { code: string }) => error.code,
    );
    const send = () => writer.write(new TextEncoder().encode(documentOf(6 * MIB))).catch(() => undefined);
    return { read, send, end: () => writer.close().catch(() => undefined) };
  });
  for (const { send } of begun) await send();
  for (const { end } of begun) await end();
  expect((await Promise.all(begun.map(({ read }) => read))).sort()).toEqual([1, 1, 1, 'unavailable', 'unavailable']);
});
