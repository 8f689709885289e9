export type AdoptionMode = 'adopt' | 'plan' | 'check' | 'copy';

export type AdoptionPhase = 'listing' | 'hashing' | 'copying' | 'done' | 'failed' | 'cancelled';

export interface AdoptionCounts {
  /** In the last listing. */
  objects: number;
  bytes: number;
  /** As they were adopted before. */
  unchanged: number;
  /** Adopted before, and other objects now. */
  changed: number;
  /** Never adopted. */
  fresh: number;
  /** Adopted before, and no longer there. */
  gone: number;
  /** New and changed objects of one block whose ETag may be their MD5: asked for it, not read. */
  askedObjects: number;
  /** New and changed objects that have to be read. */
  readObjects: number;
  readBytes: number;
  /** So far. */
  adoptedObjects: number;
  attestedObjects: number;
  hashedBytes: number;
  failedObjects: number;
  blocks: number;
  lists: number;
  heads: number;
  gets: number;
  /** Of --copy. */
  copyBlocks: number;
  copiedBlocks: number;
}

export const NO_ADOPTION_COUNTS: AdoptionCounts = {
  objects: 0,
  bytes: 0,
  unchanged: 0,
  changed: 0,
  fresh: 0,
  gone: 0,
  askedObjects: 0,
  readObjects: 0,
  readBytes: 0,
  adoptedObjects: 0,
  attestedObjects: 0,
  hashedBytes: 0,
  failedObjects: 0,
  blocks: 0,
  lists: 0,
  heads: 0,
  gets: 0,
  copyBlocks: 0,
  copiedBlocks: 0,
};

/** The adoption of what lies below one prefix. It is kept, so that the next time only takes what is new. */
export interface Adoption {
  /** UUID of the gateway. */
  gateway: string;
  prefix: string;
  mode: AdoptionMode;
  /** Where objects are hashed: here, or by the command line beside the data. */
  hashing: 'service' | 'client';
  phase: AdoptionPhase;
  /** Number of the listing; objects that it saw carry it. */
  generation: number;
  /** Of the listing. */
  cursor: string | null;
  /** Unix milliseconds. */
  startedAt: number;
  finishedAt: number | null;
  /** Why it failed, or what should be known. */
  message: string;
  counts: AdoptionCounts;
  /** Collections that it was saved as, by the UUID of their owner. */
  collections: Record<string, string>;
}

export interface AdoptionProblem {
  key: string;
  problem: string;
}

export interface AdoptionStatus extends Adoption {
  problems: AdoptionProblem[];
}

export interface AdoptionRequest {
  gateway: string;
  prefix: string;
  mode: AdoptionMode;
  hashing: 'service' | 'client';
}

/** An object that the command line is to hash. */
export interface WantedObject {
  key: string;
  size: number;
  etag: string;
}

/** The Durable Object of one adoption, called from elsewhere. */
export interface AdoptionHandle {
  /** Goes on with what is under way, or begins. */
  start(request: AdoptionRequest): Promise<AdoptionStatus>;
  /** Null: nothing was ever asked for. */
  status(): Promise<AdoptionStatus | null>;
  cancel(): Promise<AdoptionStatus>;
  /** The manifest of what is adopted, unsigned; locators carry the gateway's hint unless told otherwise. */
  manifest(withHints: boolean): Promise<ReadableStream<Uint8Array>>;
  saved(project: string, collection: string): Promise<void>;
  wanted(after: string): Promise<WantedObject[]>;
  /** Hashes of objects that the command line has hashed. */
  hashed(objects: { key: string; etag: string; size: number; hashes: string[] }[]): Promise<void>;
}

export const OVER: readonly AdoptionPhase[] = ['done', 'failed', 'cancelled'];
