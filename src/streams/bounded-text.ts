import { KEPT_CHUNK_BYTES, largerChunks } from './larger-chunks.ts';

/** A Response, or what another runtime has in its place. */
interface Answer {
  body: AsyncIterable<Uint8Array> | null;
}

/** Trying again would not help. */
export class AnswerTooLong extends Error {}

/**
 * The text of a short answer of another server, which may send without end.
 * @param maxBytes as they come out of a content coding
 * @throws AnswerTooLong, and cancels the rest; what the connection throws
 */
export async function boundedText(response: Answer, maxBytes: number): Promise<string> {
  const { text, isWhole } = await startOf(response, maxBytes);
  if (!isWhole) throw new AnswerTooLong(`the answer has more than ${maxBytes} bytes`);
  return text;
}

/** The same for JSON. @throws SyntaxError too */
export async function boundedJson(response: Answer, maxBytes: number): Promise<unknown> {
  return JSON.parse(await boundedText(response, maxBytes)) as unknown;
}

/** The beginning of an answer; the rest is cancelled. @throws what the connection throws */
export async function startOfText(response: Answer, maxBytes: number): Promise<string> {
  return (await startOf(response, maxBytes)).text;
}

async function startOf({ body }: Answer, maxBytes: number): Promise<{ text: string; isWhole: boolean }> {
  const decoder = new TextDecoder();
  let [text, left] = ['', maxBytes];
  for await (const chunk of largerChunks(body ?? [], Math.min(maxBytes, KEPT_CHUNK_BYTES))) {
    text += decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.byteLength;
    if (left < 0) return { text, isWhole: false };
  }
  return { text: text + decoder.decode(), isWhole: true };
}
