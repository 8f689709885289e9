import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { ServeOptions } from '../../dev/serve.ts';
import type { ObjectVersion, ServiceCall, UploadedPart } from './service-process.ts';

export interface ServiceOptions {
  /** Laid over wrangler.toml's [vars]; a table such as VOLUMES replaces the file's. Secrets have test values unless given. */
  vars?: Record<string, unknown>;
  /** Local R2 bindings beyond wrangler.toml's BLOCKS. */
  r2?: string[];
  /** 0 (the default) takes a free one, which restarts keep. */
  port?: number;
  /** Kept when given; otherwise a directory of its own that goes away with the service. */
  state?: string;
  /** Environment of the service's process, beside this one's. */
  env?: Record<string, string>;
  /** Another wrangler.toml. */
  configFile?: string;
  /** Serve https with this key and certificate (PEM). */
  tls?: { key: string; cert: string };
  /** Rate limiters, as in dev/serve.ts. */
  limiters?: ServeOptions['limiters'];
  /** Open the runtime's inspector. */
  inspect?: boolean;
}

/** One line that the Worker logged: parsed when it is JSON. */
export type LogLine = Record<string, unknown> | string;

/** Objects of a service's local R2 bucket, past the service. */
export interface HandBucket {
  get(key: string): Promise<Uint8Array | null>;
  put(key: string, body: Uint8Array): Promise<void>;
  /** A multipart upload: the store then knows no MD5. Every part but the last has the same size, at least 5 MiB. */
  putInParts(key: string, body: Uint8Array, partBytes?: number): Promise<void>;
  /** A multipart upload of parts that are made as they are sent: for what is larger than memory. */
  putGenerated(key: string, parts: Iterable<Uint8Array>): Promise<void>;
  delete(key: string): Promise<void>;
  list(prefix?: string): Promise<string[]>;
  /** Each write gives an object another version. */
  versions(): Promise<ObjectVersion[]>;
}

export interface TestService {
  readonly url: string;
  readonly workerdPid: number;
  /** Inspector of the runtime's isolates; null unless asked for. */
  readonly inspectorUrl: string | null;
  readonly state: string;
  readonly rootToken: string;
  readonly managementToken: string;
  readonly signingKey: string;
  /** Everything logged since the start, over restarts. */
  readonly logs: LogLine[];
  /** The first logged JSON line, past or to come, that `matches`. */
  waitForLog(matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** Waits until `logs` has the lines of all that was answered by now; an answer may be here before its line. */
  allLogged(): Promise<void>;
  /** Runs the cron handler and waits for it. */
  scheduled(): Promise<void>;
  /** Throws every object of the Durable Object class out of memory. */
  evictObjects(className: string): Promise<void>;
  r2(binding: string): HandBucket;
  /** As a power failure would: SIGKILL to the service and its workerd. */
  kill(): Promise<void>;
  /** Kills if still running, then starts on the same state and port, with these vars laid over the earlier ones. */
  restart(vars?: Record<string, unknown>): Promise<void>;
  /** Ends the service and removes its state if it was its own. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const ROOT_TOKEN = 'roottokenroottokenroottokenroottoken00';
export const MANAGEMENT_TOKEN = 'managementtokenmanagementtoken000000';
export const SIGNING_KEY = 'signingkeysigningkeysigningkeysigningkey';

const R2_PART_BYTES = 5 << 20;

/** Starts the Worker of this checkout in a process of its own and returns when it serves. `await using` ends it. */
export async function startService(options: ServiceOptions = {}): Promise<TestService> {
  const state = options.state ?? (await mkdtemp(join(tmpdir(), 'keep-edge-')));
  let vars: Record<string, unknown> = {
    SYSTEM_ROOT_TOKEN: ROOT_TOKEN,
    MANAGEMENT_TOKEN,
    BLOB_SIGNING_KEY: SIGNING_KEY,
    ...options.vars,
  };
  let port = options.port ?? 0;
  const logs: LogLine[] = [];
  const listeners = new Set<(line: LogLine) => void>();
  const onLog = (line: LogLine) => {
    logs.push(line);
    for (const listener of listeners) listener(line);
  };
  const start = () => startProcess({ ...options, vars, port, state }, onLog);
  let process = await start();
  port = Number(new URL(process.url).port);

  const service: TestService = {
    get url() {
      return process.url;
    },
    get workerdPid() {
      return process.workerdPid;
    },
    get inspectorUrl() {
      return process.inspectorUrl;
    },
    state,
    get rootToken() {
      return String(vars.SYSTEM_ROOT_TOKEN);
    },
    get managementToken() {
      return String(vars.MANAGEMENT_TOKEN);
    },
    get signingKey() {
      return String(vars.BLOB_SIGNING_KEY);
    },
    logs,
    waitForLog: (matches) =>
      new Promise((resolve) => {
        const listener = (line: LogLine) => {
          if (typeof line === 'string' || !matches(line)) return;
          listeners.delete(listener);
          resolve(line);
        };
        listeners.add(listener);
        for (const line of [...logs]) listener(line);
      }),
    allLogged: async () => {
      const requestId = randomUUID();
      const answer = await fetch(`${process.url}/_health/ping`, { headers: { 'X-Request-Id': requestId } }).catch(
        () => null,
      );
      // A service that was killed answers no more: then nothing more comes.
      if (answer !== null) await service.waitForLog(({ RequestID }) => RequestID === requestId);
    },
    scheduled: async () => void (await process.call({ verb: 'scheduled' })),
    evictObjects: async (className) => void (await process.call({ verb: 'evictObjects', className })),
    r2: (binding) => handBucket((call) => process.call(call), binding),
    kill: () => process.kill(),
    restart: async (changes) => {
      vars = { ...vars, ...changes };
      await process.kill();
      process = await start();
    },
    stop: async () => {
      await process.stop();
      if (options.state === undefined) await rm(state, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => service.stop(),
  };
  return service;
}

function handBucket(call: (call: ServiceCall) => Promise<unknown>, binding: string): HandBucket {
  return {
    get: async (key) => (await call({ verb: 'r2Get', binding, key })) as Uint8Array | null,
    put: async (key, body) => void (await call({ verb: 'r2Put', binding, key, body })),
    putInParts: async (key, body, partBytes = R2_PART_BYTES) => {
      const parts: Uint8Array[] = [];
      for (let at = 0; at < body.length; at += partBytes) parts.push(body.subarray(at, at + partBytes));
      await call({ verb: 'r2PutInParts', binding, key, parts });
    },
    putGenerated: async (key, parts) => {
      const uploadId = (await call({ verb: 'r2StartParts', binding, key })) as string;
      const put: UploadedPart[] = [];
      for (const body of parts)
        put.push(
          (await call({ verb: 'r2PutPart', binding, key, uploadId, number: put.length + 1, body })) as UploadedPart,
        );
      await call({ verb: 'r2FinishParts', binding, key, uploadId, parts: put });
    },
    delete: async (key) => void (await call({ verb: 'r2Delete', binding, key })),
    list: async (prefix = '') =>
      ((await call({ verb: 'r2List', binding, prefix })) as ObjectVersion[]).map(({ key }) => key),
    versions: async () => {
      const list = () => call({ verb: 'r2List', binding, prefix: '' }) as Promise<ObjectVersion[]>;
      // A connection to the simulator that was idle for minutes may be gone.
      return list().catch(list);
    },
  };
}

interface ServiceProcess {
  url: string;
  workerdPid: number;
  inspectorUrl: string | null;
  call(call: ServiceCall): Promise<unknown>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

async function startProcess(
  { vars, port, state, env, configFile, r2, tls, limiters, inspect }: ServiceOptions & { state: string; port: number },
  onLog: (line: LogLine) => void,
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'service-process.ts')], {
    // A process group of its own, so that workerd can be killed along with it.
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  const exited = once(child, 'exit');
  for (const stream of child.stdio.slice(1, 4)) {
    createInterface({ input: stream as Readable }).on('line', (line) => onLog(parseLine(line)));
  }
  const call = caller(child);
  const kill = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-Number(child.pid), 'SIGKILL');
    await exited;
    while (workerdPid !== undefined && isRunning(workerdPid)) await setTimeout(5);
  };
  let workerdPid: number | undefined;
  try {
    const started = (await call({
      verb: 'start',
      options: {
        port,
        state,
        devVars: false,
        ...(vars === undefined ? {} : { vars }),
        ...(r2 === undefined ? {} : { r2Buckets: r2 }),
        ...(configFile === undefined ? {} : { configFile }),
        ...(tls === undefined ? {} : { tls }),
        ...(limiters === undefined ? {} : { limiters }),
        ...(inspect === undefined ? {} : { inspect }),
      },
    })) as { url: string; workerdPid: number; inspectorUrl: string | null };
    workerdPid = started.workerdPid;
    const stop = async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    };
    return { ...started, call, kill, stop };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Whether a process is there and not just waiting to be buried by a parent that never looks. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Requests over the IPC channel, answered by id; all fail when the process ends. */
function caller(child: ChildProcess): (call: ServiceCall) => Promise<unknown> {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  child.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  });
  child.on('exit', () => {
    for (const { reject } of pending.values()) reject(new Error('the service ended'));
    pending.clear();
  });
  return (call) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      pending.set(id, { resolve, reject });
      child.send({ id, call }, (error) => {
        if (error) reject(error);
      });
    });
}

function parseLine(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // not JSON: a line of the runtime's own
  }
  return line;
}
