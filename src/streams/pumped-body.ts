/** A body that script keeps moving. */
export interface PumpedBody {
  body: ReadableStream<Uint8Array>;
  /** Resolves when the last piece is on its way to the reader; rejects with what keeps that from happening. */
  done: Promise<void>;
}
