import type { Mount } from '../storage/mounts.ts';

/**
 * What a write still has to reach. Different from keepstore, which ignores the number of replicas a client asks for:
 * a further mount is written while that number is not reached, so that several mounts can satisfy a client's `copies`
 * in one request. Too few mounts is not a failure.
 */
export interface PutProgress {
  /** True when this mount would bring the write closer to what was asked. */
  wants(mount: Mount): boolean;
  add(mount: Mount): void;
  /** The exact inverse of add, for a write that failed. */
  subtract(mount: Mount): void;
  replicas(): number;
  /** Replicas per class over all mounts added, also of classes not asked for. */
  confirmed(): Map<string, number>;
}

export function createPutProgress(classes: string[], desired: number): PutProgress {
  const used = new Set<Mount>();
  const replicas = () => [...used].reduce((sum, mount) => sum + mount.replication, 0);
  const confirmed = () => {
    const perClass = new Map<string, number>();
    for (const mount of used) {
      for (const name of Object.keys(mount.storageClasses))
        perClass.set(name, (perClass.get(name) ?? 0) + mount.replication);
    }
    return perClass;
  };
  return {
    wants(mount) {
      if (used.has(mount)) return false;
      if (classes.length === 0) return replicas() < desired;
      const reached = confirmed();
      return classes.some((name) => Object.hasOwn(mount.storageClasses, name) && (reached.get(name) ?? 0) < desired);
    },
    add: (mount) => void used.add(mount),
    subtract: (mount) => void used.delete(mount),
    replicas,
    confirmed,
  };
}
