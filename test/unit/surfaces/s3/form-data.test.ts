import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readForm } from '../../../../src/surfaces/s3/form-data.ts';

const TYPE = 'multipart/form-data; boundary=xYz';

/** The body in pieces that end at these places. */
function inPieces(bytes: Uint8Array, cuts: number[]): ReadableStream<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].toSorted((a, b) => a - b);
  let from = 0;
  return new ReadableStream({
    start(controller) {
      for (const end of ends) {
        if (end > from) controller.enqueue(bytes.slice(from, end));
        from = end;
      }
      controller.close();
    },
  });
}

function bodyWith(fields: Record<string, string>, file: Uint8Array): Uint8Array {
  const part = (head: string) => `--xYz\r\nContent-Disposition: form-data; ${head}\r\n`;
  const before = Object.entries(fields).map(([name, value]) => `${part(`name="${name}"`)}\r\n${value}\r\n`);
  const head = `${before.join('')}${part('name="file"; filename="C:\\\\dir\\\\a b.txt"')}Content-Type: text/x\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head),
    file,
    Buffer.from('\r\n--xYz\r\nContent-Disposition: form-data; name="submit"\r\n\r\nUpload\r\n--xYz--\r\n'),
  ]);
}

test('a form gives its fields and exactly the bytes of its file, wherever the body is cut', async () => {
  const piece = fc.constantFrom('\r', '\n', '-', '\r\n--xY', '\r\n--', 'z', '\0', 'é');
  const file = fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.from(pieces.join('').replaceAll('xYz', '')));
  await fc.assert(
    fc.asyncProperty(file, fc.array(fc.nat(), { maxLength: 8 }), async (bytes, cuts) => {
      const form = await readForm(inPieces(bodyWith({ key: 'k/x', Policy: 'cA==' }, bytes), cuts), TYPE);
      expect(Object.fromEntries(form.fields)).toEqual({ key: 'k/x', policy: 'cA==' });
      expect([form.filename, form.fileType]).toEqual(['a b.txt', 'text/x']);
      const chunks: Uint8Array[] = [];
      for await (const chunk of form.content) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('a form that ends too soon, has no file or no boundary is refused', async () => {
  const whole = bodyWith({ key: 'k' }, Buffer.from('CONTENT'));
  const cut = await readForm(inPieces(whole.subarray(0, Buffer.from(whole).indexOf('CONTENT') + 2), []), TYPE);
  await expect(async () => {
    for await (const _ of cut.content);
  }).rejects.toMatchObject({ s3: 'IncompleteBody' });
  const none = Buffer.from('--xYz\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--xYz--\r\n');
  await expect(readForm(inPieces(none, []), TYPE)).rejects.toMatchObject({ s3: 'InvalidArgument' });
  await expect(readForm(inPieces(whole, []), 'multipart/form-data')).rejects.toMatchObject({
    s3: 'MalformedPOSTRequest',
  });
  const large = bodyWith({ key: 'k'.repeat(100_000) }, Buffer.from(''));
  await expect(readForm(inPieces(large, []), TYPE)).rejects.toMatchObject({ s3: 'MalformedPOSTRequest' });
});

test('a form of line ends that come one by one is gone through once', async () => {
  // This took three minutes: the time in which a test must end is what it is about.
  const ends = new Uint8Array(64 * 1024).fill(13);
  const body = inPieces(ends, Array.from(ends.keys()));
  await expect(readForm(body, TYPE)).rejects.toThrow(expect.objectContaining({ s3: 'MalformedPOSTRequest' }));
});
