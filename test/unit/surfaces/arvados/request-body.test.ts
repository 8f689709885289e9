import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BodyReader } from '../../../../src/surfaces/arvados/request-body.ts';

const encoder = new TextEncoder();

/** A request whose body arrives cut at the given places. */
function requestOf(body: string, cuts: number[], contentType: string): Request {
  const bytes = encoder.encode(body);
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const chunks = places.slice(1).map((end, index) => bytes.slice(places[index], end));
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
  const init = { method: 'POST', body: stream, duplex: 'half', headers: { 'Content-Type': contentType } };
  return new Request('http://test/', init as RequestInit);
}

async function read(body: string, cuts: number[] = [], contentType = 'application/json') {
  const reader = new BodyReader(requestOf(body, cuts, contentType), 'collection');
  const chunks: number[] = [];
  for await (const chunk of reader.manifest()) chunks.push(...chunk);
  return { ...reader.result(), manifest: new TextDecoder().decode(Uint8Array.from(chunks)) };
}

/** JSON with every non-ASCII character escaped. */
const ascii = (json: string) =>
  json.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

const record = fc.record({
  manifest: fc.string({ unit: 'grapheme' }),
  before: fc.jsonValue(),
  after: fc.dictionary(
    fc.string().filter((key) => key !== 'manifest_text' && key !== '__proto__'),
    fc.jsonValue(),
  ),
  wrapped: fc.boolean(),
  escaped: fc.boolean(),
  indent: fc.constantFrom(undefined, 1),
  cuts: fc.array(fc.nat(), { maxLength: 8 }),
});

describe('BodyReader', () => {
  test('takes the manifest out of a JSON record, wherever the body is cut, and keeps the rest', async () => {
    await fc.assert(
      fc.asyncProperty(record, async ({ manifest, before, after, wrapped, escaped, indent, cuts }) => {
        const inner = { before, manifest_text: manifest, ...after };
        const json = JSON.stringify(wrapped ? { select: ['uuid'], collection: inner } : inner, null, indent);
        const body = await read(escaped ? ascii(json) : json, cuts);
        expect(body.hasManifest).toBe(true);
        expect(body.manifest).toBe(manifest);
        expect(body.record).toEqual(JSON.parse(JSON.stringify({ ...inner, manifest_text: '' })));
        if (wrapped) expect(body.parameters).toEqual({ select: ['uuid'] });
      }),
    );
  });

  test('does the same for a form whose values are JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (manifest, cuts) => {
          const form = new URLSearchParams({
            select: '["uuid"]',
            collection: JSON.stringify({ name: 'n & = %', manifest_text: manifest }),
            ensure_unique_name: 'true',
          });
          const body = await read(String(form), cuts, 'application/x-www-form-urlencoded');
          expect(body.manifest).toBe(manifest);
          expect(body.record).toEqual({ name: 'n & = %', manifest_text: '' });
          expect(body.parameters).toEqual({ select: ['uuid'], ensure_unique_name: true });
        },
      ),
    );
  });

  test('takes a manifest_text only where a record has its own', async () => {
    const body = await read(
      '{"properties":{"manifest_text":"no"},"list":["manifest_text",{"manifest_text":"no"}],"name":"manifest_text"}',
    );
    expect(body).toMatchObject({ hasManifest: false, manifest: '' });
    expect(body.record.properties).toEqual({ manifest_text: 'no' });
  });

  test.each([
    ['no JSON', '{"collection": '],
    ['no object', '["x"]'],
    ['an unfinished manifest', '{"manifest_text": "abc'],
    ['a manifest with a raw newline', '{"manifest_text": "a\nb"}'],
    ['an unknown escape', '{"manifest_text": "\\x"}'],
    ['half a surrogate pair', '{"manifest_text": "\\ud800"}'],
    ['the wrong half', '{"manifest_text": "\\udc80"}'],
    ['two manifests', '{"manifest_text": "a", "manifest_text": "b"}'],
    ['bottomless nesting', `${'['.repeat(100)}${']'.repeat(100)}`],
  ])('refuses %s', async (_, body) => {
    await expect(read(body)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('refuses a record that is large without its manifest', async () => {
    const body = JSON.stringify({ description: 'x'.repeat(5_000_000) });
    await expect(read(body)).rejects.toMatchObject({ code: 'too_large' });
  });

  test('takes no body for an empty record', async () => {
    expect(await read('')).toMatchObject({ record: {}, parameters: {}, hasManifest: false });
  });
});
