/**
 * The text of a short answer of another server, which may send without end.
 * @param maxBytes as they come out of a content coding
 * @throws Error for a longer one, of which the rest is cancelled; what the connection throws
 */
export async function boundedText(response: Pick<Response, 'body'>, maxBytes: number): Promise<string> {
  const { text, isWhole } = await startOf(response, maxBytes);
  if (!isWhole) throw new Error(`the answer has more than ${maxBytes} bytes`);
  return text;
}

/** The same for JSON. @throws SyntaxError too */
export async function boundedJson(response: Pick<Response, 'body'>, maxBytes: number): Promise<unknown> {
  return JSON.parse(await boundedText(response, maxBytes)) as unknown;
}

/** The beginning of an answer; the rest is cancelled. @throws what the connection throws */
export async function startOfText(response: Pick<Response, 'body'>, maxBytes: number): Promise<string> {
  return (await startOf(response, maxBytes)).text;
}

async function startOf(
  { body }: Pick<Response, 'body'>,
  maxBytes: number,
): Promise<{ text: string; isWhole: boolean }> {
  const decoder = new TextDecoder();
  let [text, left] = ['', maxBytes];
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.byteLength;
    if (left < 0) return { text, isWhole: false };
  }
  return { text: text + decoder.decode(), isWhole: true };
}
