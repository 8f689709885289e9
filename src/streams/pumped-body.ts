/** A body that script keeps moving. */
export interface PumpedBody {
  body: ReadableStream<Uint8Array>;
  /** Settles with the pump; a failure has already broken off `body`. */
  done: Promise<void>;
}
