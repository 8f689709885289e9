import type { RecordFile } from './record-reader.ts';
import type { Wants } from './references.ts';

export type Phase =
  | 'collect'
  | 'compact'
  | 'join'
  | 'trashed'
  | 'confirm'
  | 'usage'
  | 'lists'
  | 'waiting'
  | 'done'
  | 'failed';
export type FileKind = 'names' | 'unnamed' | 'trash' | 'pull';

/** Copies on one mount. */
export interface MountUse {
  blocks: number;
  bytes: number;
}

/** What a run has counted. Bytes and blocks count each block once, `storedBytes` each copy. */
export interface Counts {
  collections: number;
  unreadable: number;
  references: number;
  namedBlocks: number;
  namedBytes: number;
  storedBlocks: number;
  storedBytes: number;
  unnamedBlocks: number;
  unnamedBytes: number;
  trashedBlocks: number;
  trashedBytes: number;
  underreplicated: number;
  overreplicated: number;
  lostBlocks: number;
  lostBytes: number;
  trashCopies: number;
  trashBytes: number;
  pullCopies: number;
  pullBytes: number;
  /** By the mount's UUID; where several share a device, under the first of them. */
  mounts: Record<string, MountUse>;
}

export const NO_COUNTS: Counts = {
  collections: 0,
  unreadable: 0,
  references: 0,
  namedBlocks: 0,
  namedBytes: 0,
  storedBlocks: 0,
  storedBytes: 0,
  unnamedBlocks: 0,
  unnamedBytes: 0,
  trashedBlocks: 0,
  trashedBytes: 0,
  underreplicated: 0,
  overreplicated: 0,
  lostBlocks: 0,
  lostBytes: 0,
  trashCopies: 0,
  trashBytes: 0,
  pullCopies: 0,
  pullBytes: 0,
  mounts: {},
};

/** One run. Times are Unix milliseconds. */
export interface Run {
  id: number;
  /** A dry run decides and reports, and sends no lists. */
  isDry: boolean;
  phase: Phase;
  startedAt: number;
  finishedAt: number | null;
  /** Where the phase goes on; its form is the phase's own. */
  cursor: string;
  /** Slices so far: names the files of a slice, so that a slice done again writes the same ones. */
  step: number;
  counts: Counts;
  /** For people: what stopped the run, or why it waits. */
  message: string;
}

/** A collection as a run numbers it. */
export interface Member {
  uuid: string;
  /** Project, or the user whose home it is in. */
  project: string;
  /** User at the root of its owners. */
  owner: string;
}

export interface LostBlock {
  hash: string;
  size: number;
  /** UUIDs of some collections that name it. */
  collections: string[];
}

/** The balancer's state, as a Durable Object keeps it (see `createRunRows`). */
export interface RunRows {
  start(isDry: boolean, now: number): Run;
  /** The run that is not over yet. */
  current(): Run | null;
  /** Newest first. */
  runs(limit?: number): Run[];
  /** The last run that came to its end. */
  lastDone(): Run | null;
  /** Ends a slice: the run's new state, and what else belongs to it, in one transaction. A run that is over stays as it is. */
  save(run: Run, alongside?: () => void): void;
  addFiles(run: number, kind: FileKind, files: RecordFile[]): void;
  replaceFiles(run: number, kind: FileKind, files: RecordFile[]): void;
  files(run: number, kind: FileKind): RecordFile[];
  addWants(run: number, number: number, wants: Wants): void;
  wants(run: number): Wants[];
  /** Numbers are given from `first` on. */
  addMembers(run: number, first: number, members: Member[]): void;
  memberCount(run: number): number;
  /** From number `from` on. */
  members(run: number, from: number, limit: number): Member[];
  addProblem(run: number, kind: 'lost' | 'unreadable', subject: string, detail: unknown): void;
  problems(run: number, kind: 'lost' | 'unreadable'): { subject: string; detail: unknown }[];
  /** Deletes some of what runs before `keep` left. `keysToDelete` are files in the bucket. */
  forget(keep: number): { keysToDelete: string[]; isDone: boolean };
}
