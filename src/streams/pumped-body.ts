/** A body that script keeps moving. The runtime cannot pipe such a body into another transform stream. */
export interface PumpedBody {
  body: ReadableStream<Uint8Array>;
  /** Settles with the pump; a failure has already broken off `body`. */
  done: Promise<void>;
}
