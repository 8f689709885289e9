import { once } from 'node:events';
import { ISOLATES } from './heap.ts';

/** One function of a profile and the time spent in itself. */
export interface Spent {
  name: string;
  /** Line of the bundle. */
  line: number;
  milliseconds: number;
}

export interface Profile {
  /** Most first; `(program)` is native code, `(garbage collector)` and `(idle)` are what they say. */
  spent: Spent[];
  total: number;
  /** Milliseconds in script and in the garbage collector. By samples: none are taken while other isolates run. */
  inScript: number;
}

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
}

/** Where one isolate spends its time, sampled by the runtime's inspector. */
export async function openProfiler(inspectorUrl: string, isolate: keyof typeof ISOLATES) {
  const socket = new WebSocket(new URL(`/${ISOLATES[isolate]}`, inspectorUrl).href);
  const pending = new Map<number, (result: { profile?: RawProfile }) => void>();
  let lastId = 0;
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: { profile?: RawProfile } };
    if (id === undefined) return;
    pending.get(id)?.(result ?? {});
    pending.delete(id);
  });
  await once(socket, 'open');
  const ask = (method: string, params: object = {}) =>
    new Promise<{ profile?: RawProfile }>((resolve) => {
      pending.set(++lastId, resolve);
      socket.send(JSON.stringify({ id: lastId, method, params }));
    });
  return {
    async start(): Promise<void> {
      await ask('Profiler.enable');
      await ask('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS });
      await ask('Profiler.start');
    },
    async stop(): Promise<Profile> {
      const { profile } = await ask('Profiler.stop');
      if (profile === undefined) throw new Error('the inspector gave no profile');
      return summed(profile);
    },
    close: () => socket.close(),
  };
}

const SAMPLE_MICROSECONDS = 200;
/** Not script: native code, and waiting. */
const OTHER = ['(program)', '(idle)', '(root)'];

interface RawProfile {
  nodes: Node[];
  samples: number[];
  /** Microseconds. */
  timeDeltas: number[];
}

function summed({ nodes, samples, timeDeltas }: RawProfile): Profile {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const spent = new Map<string, Spent>();
  let total = 0;
  let inScript = 0;
  for (const [i, sample] of samples.entries()) {
    const frame = frames.get(sample);
    const name = frame?.functionName || '(anonymous)';
    const line = (frame?.lineNumber ?? 0) + 1;
    const key = `${name}:${line}`;
    const milliseconds = Math.max(0, timeDeltas[i] ?? 0) / 1000;
    total += milliseconds;
    if (!OTHER.includes(name)) inScript += SAMPLE_MICROSECONDS / 1000;
    const known = spent.get(key) ?? { name, line, milliseconds: 0 };
    spent.set(key, { ...known, milliseconds: known.milliseconds + milliseconds });
  }
  return { total, inScript, spent: [...spent.values()].sort((a, b) => b.milliseconds - a.milliseconds) };
}
