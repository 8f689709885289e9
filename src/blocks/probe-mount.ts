import { describeError } from '../keep/redact.ts';
import type { Mount } from '../storage/mounts.ts';
import { UNNAMED } from './name-block.ts';

/** What a volume did when it was tried. */
export interface MountProbe {
  uuid: string;
  deviceId: string;
  allowWrite: boolean;
  ms: number;
  /** What failed first; null when it works. */
  problem: string | null;
  /** Whether an object was written, and taken away again. */
  isWritten: boolean;
}

const PROBE_MS = 15_000;

/** Asks a volume for an object; with `write`, stores one byte where bodies lie until they are named, and deletes it. */
export async function probeMount({ uuid, deviceId, allowWrite, store }: Mount, write: boolean): Promise<MountProbe> {
  const key = `${UNNAMED}doctor-${crypto.randomUUID()}`;
  const started = Date.now();
  let isWritten = false;
  const work = async () => {
    const signal = AbortSignal.timeout(PROBE_MS);
    await store.head(key, signal);
    if (!write || !allowWrite) return null;
    await store.put(key, new Uint8Array(1), { size: 1, signal });
    try {
      isWritten = (await store.head(key, signal)) !== null;
    } finally {
      await store.delete([key]);
    }
    return isWritten ? null : 'an object that was written is not there';
  };
  const late = scheduler.wait(PROBE_MS).then(() => `no answer in ${PROBE_MS / 1000} s`);
  const problem = await Promise.race([work(), late]).catch(describeError);
  return { uuid, deviceId, allowWrite, ms: Date.now() - started, problem, isWritten };
}
