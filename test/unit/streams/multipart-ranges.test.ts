import { describe, expect, test } from 'vitest';
import { multipartRanges } from '../../../src/streams/multipart-ranges.ts';

describe('a multipart/byteranges body', () => {
  const file = new TextEncoder().encode('0123456789');
  const made = multipartRanges(
    [
      { offset: 0, length: 2 },
      { offset: 7, length: 3 },
    ],
    { size: 10, type: 'text/plain', boundary: 'BOUNDARY' },
    ({ offset, length }) => [file.subarray(offset, offset + length)],
  );
  const body = [...made.parts].map((part) => new TextDecoder().decode(part as Uint8Array)).join('');

  test('frames each range with its own headers', () => {
    expect(made.contentType).toBe('multipart/byteranges; boundary=BOUNDARY');
    expect(body).toBe(
      '--BOUNDARY\r\nContent-Range: bytes 0-1/10\r\nContent-Type: text/plain\r\n\r\n01' +
        '\r\n--BOUNDARY\r\nContent-Range: bytes 7-9/10\r\nContent-Type: text/plain\r\n\r\n789' +
        '\r\n--BOUNDARY--\r\n',
    );
  });

  test('knows its length beforehand', () => {
    expect(made.length).toBe(body.length);
  });
});
