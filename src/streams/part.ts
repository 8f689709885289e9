/**
 * A body is a row of parts whose lengths are known before any of them is opened: blocks of a file, headers of an
 * archive, boundaries of a multipart answer. concat.ts sends them one after another.
 */
export type Part = Uint8Array | LazyPart;

export interface LazyPart {
  /** Bytes. */
  length: number;
  /** Called when the part's turn comes near; what it returns is piped or cancelled. */
  open(signal: AbortSignal): Promise<OpenPart>;
  /** Where its bytes come from, so that parts out of one block can share one read of it (shared-reads.ts). */
  segment?: Segment;
}

/** A range of a block. */
export interface Segment {
  source: SegmentSource;
  /** The source's number for the block. */
  block: number;
  /** In the block. */
  offset: number;
  /** In the block: the part itself may be longer. */
  length: number;
  /** What `open` does with the range: called instead of it with bytes that were read along with others. */
  through?: (bytes: OpenPart) => OpenPart | Promise<OpenPart>;
  /** Called instead of `through` by who can fill given memory with the range. */
  read?: (fill: Fill) => Promise<OpenPart>;
}

/**
 * Fills `memory`, which must be the only use of its buffer: it may be detached. The bytes are told in the buffer that takes
 * its place.
 */
export type Fill = (memory: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>>;

export interface SegmentSource {
  /** The same text for blocks of the same content. */
  keyOf(block: number): string;
  open(block: number, range: { offset: number; length: number }, signal: AbortSignal): Promise<Pipeable>;
}

/** Bytes, a stream, or something that can pipe itself like one. */
export type OpenPart = Uint8Array | Pipeable;

export interface Pipeable {
  pipeTo(to: WritableStream<Uint8Array>, options: { preventClose: boolean; signal: AbortSignal }): Promise<void>;
  cancel(reason?: unknown): Promise<void>;
}

/** A body that script keeps moving. */
export interface PumpedBody {
  body: ReadableStream<Uint8Array>;
  /** Resolves when the last chunk is on its way to the reader; rejects with what keeps that from happening. */
  done: Promise<void>;
}
