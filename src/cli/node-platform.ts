import { createHash } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { KeepError } from '../keep/errors.ts';
import type { CheckBody } from '../services/checked-body.ts';
import type { ClientPlatform } from '../services/keep-client.ts';
import type { NetworkOptions } from './network.ts';
import { createNodeTransport, nodeStreamOf } from './node-transport.ts';

/** This much is held back until the hash agrees; smaller blocks are verified before any byte is passed on. */
const HELD_BACK_BYTES = 1_048_576;

/** The Keep client's platform on Node. `close` ends idle connections, so that the process can exit. */
export function createNodePlatform(options: NetworkOptions = {}): ClientPlatform & { close(): void } {
  const transport = createNodeTransport(options);
  return {
    transport,
    checkBody,
    md5: async (bytes) => createHash('md5').update(bytes).digest('hex'),
    bytesReceived,
    close: transport.close,
  };
}

function bytesReceived(body: ReadableStream<Uint8Array>): (() => number) | null {
  const stream = nodeStreamOf(body);
  if (!(stream instanceof IncomingMessage)) return null;
  const { socket } = stream;
  return () => socket.bytesRead;
}

const checkBody: CheckBody = async (body, { hash, size }, watch) => {
  const reader = body.getReader();
  const md5 = createHash('md5');
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let length = 0;
  let ended = false;

  /** Reads until something may be passed on. */
  const fill = async () => {
    watch.resume();
    while (!ended && heldBytes <= HELD_BACK_BYTES) {
      const { done, value } = await reader.read();
      if (done) {
        if ((size !== null && length !== size) || md5.digest('hex') !== hash) throw new KeepError('corrupt');
        ended = true;
      } else {
        md5.update(value);
        held.push(value);
        heldBytes += value.byteLength;
        length += value.byteLength;
        watch.progress(value.byteLength);
        if (size !== null && length > size) throw new KeepError('corrupt');
      }
    }
    watch.pause();
  };
  const give = async () => {
    try {
      await fill();
    } catch (error) {
      watch.stop();
      await reader.cancel().catch(() => undefined);
      throw error;
    }
    if (ended) watch.stop();
  };

  await give();
  const checked = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await give();
        const chunk = held.shift();
        if (chunk === undefined) return controller.close();
        heldBytes -= chunk.byteLength;
        controller.enqueue(chunk);
      },
      async cancel(reason) {
        watch.stop();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return { body: checked };
};
