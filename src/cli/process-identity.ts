import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * A process that cannot be confused with a later one of the same number, nor with one of another container or machine.
 * What the platform does not tell is null: only Linux tells all.
 */
export interface ProcessIdentity {
  pid: number;
  host: string;
  /** Changes with every start of the kernel. */
  boot: string | null;
  /** PID namespace: in every container some process is number 1. */
  namespace: string | null;
  /** Clock ticks between the start of the kernel and that of the process. */
  start: string | null;
}

/** `unknown`: it may run where this process cannot see it. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** Fields of /proc/PID/stat behind the command name, which may hold spaces and brackets. */
const STATE_FIELD = 0;
const START_FIELD = 19;
const ENDED_STATES = new Set(['Z', 'X', 'x']);

export function ownIdentity(): ProcessIdentity {
  // A container may see the /proc of another namespace: its numbers are not ours.
  const seesItself = textOf(() => readlinkSync('/proc/self')) === String(process.pid);
  return {
    pid: process.pid,
    host: hostname(),
    boot: textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    namespace: textOf(() => readlinkSync('/proc/self/ns/pid')),
    start: seesItself ? (statFields(process.pid)?.[START_FIELD] ?? null) : null,
  };
}

/** Whether a process still runs. One that has ended but that its parent did not collect (a zombie) is dead. */
export function livenessOf(other: ProcessIdentity, own: ProcessIdentity = ownIdentity()): Liveness {
  const isHere = other.boot === own.boot && other.namespace === own.namespace;
  // Without a boot ID the name of the machine must do.
  if (!isHere || (own.boot === null && other.host !== own.host)) return 'unknown';
  if (!exists(other.pid)) return 'dead';
  if (own.start === null || other.start === null) return 'unknown';
  const fields = statFields(other.pid);
  // Its entry may be hidden (hidepid), or gone since.
  if (fields === null) return 'unknown';
  return fields[START_FIELD] === other.start ? 'alive' : 'dead';
}

/** False when no process has this number, or only a zombie has. */
export function exists(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const seesItself = textOf(() => readlinkSync('/proc/self')) === String(process.pid);
  return !(seesItself && ENDED_STATES.has(statFields(pid)?.[STATE_FIELD] ?? ''));
}

function statFields(pid: number): string[] | null {
  const text = textOf(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function textOf(read: () => string): string | null {
  try {
    return read().trim();
  } catch {
    return null;
  }
}
