import type { BucketVolume } from './bucket-volume.ts';
import type { ObjectStore } from './object-store.ts';

/** A volume as this service mounts it. */
export interface Mount {
  /** The volume's UUID. */
  uuid: string;
  deviceId: string;
  allowWrite: boolean;
  allowTrash: boolean;
  replication: number;
  storageClasses: Record<string, boolean>;
  /** Highest priority among its classes; reads and writes try higher ones first. */
  priority: number;
  /** UUID of a nearer mount: what is read from here is kept there on the way. */
  near?: string;
  volume: BucketVolume;
  /** Whether it certainly has the block, and the others were seen not to: it is asked before them then. Absent: not known. */
  knows?: (hash: string) => boolean;
  store: ObjectStore;
  prefixLength: number;
  /** Seconds. */
  raceWindowSeconds: number;
}
