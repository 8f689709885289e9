import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, Response as RuntimeResponse } from 'miniflare';
import { parse } from 'smol-toml';
import { ASSETS, buildBrowser } from './build-browser.ts';
import { sqlStatements } from './sql-statements.ts';

/** Where this checkout is. */
export const ROOT = resolve(import.meta.dirname, '..');

export interface ServeOptions {
  /** 0 picks a free port. */
  port: number;
  /** Directory that keeps R2, KV, D1 and Durable Objects over restarts. */
  state: string;
  /** wrangler.toml to take bindings and vars from. */
  configFile?: string;
  /** Vars and secrets laid over the file's and `.dev.vars`'. */
  vars?: Record<string, unknown>;
  /** False leaves `.dev.vars` alone: tests bring their own secrets. */
  devVars?: boolean;
  /** R2 bindings beyond the file's. */
  r2Buckets?: string[];
  /** Rate limiters laid over the file's: requests in a window of 10 or 60 seconds. */
  limiters?: Record<string, { limit: number; period: 10 | 60 }>;
  /** Serve https with this key and certificate (PEM). */
  tls?: { key: string; cert: string };
  /** Opens the runtime's inspector on a free port: tests of memory look at heaps. */
  inspect?: boolean;
  /** Receives each line the Worker logs; standard output otherwise. */
  onLog?: (line: string) => void;
}

export interface Service {
  url: string;
  /** Inspector of every isolate in the runtime, the simulators' too: `/json` lists them. Null unless asked for. */
  inspectorUrl: string | null;
  /** Process id of workerd, for benchmarks and fault tests. */
  workerdPid: () => number;
  /** Runs the cron handler now. */
  scheduled: () => Promise<void>;
  /** Direct access to one of the buckets, to inspect and damage objects. */
  r2Bucket: (binding: string) => ReturnType<Miniflare['getR2Bucket']>;
  /** Evicts every object of a Durable Object class from memory: unsaved state is lost, alarms stay. */
  evictObjects: (className: string) => Promise<void>;
  /** Asks the Arvados API as root; with a record, as POST. */
  api: (path: string, record?: unknown) => Promise<unknown>;
  /** Stops after the Worker has written its pending upload log entries. */
  stop: () => Promise<void>;
}

const WORKER_NAME = 'keep-edge';
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The keys of wrangler.toml that a local run uses. */
interface WranglerFile {
  main: string;
  compatibility_date: string;
  compatibility_flags?: string[];
  vars?: Record<string, unknown>;
  r2_buckets?: { binding: string; bucket_name: string }[];
  kv_namespaces?: { binding: string }[];
  d1_databases?: { binding: string; migrations_dir?: string }[];
  assets?: { directory: string; binding: string };
  durable_objects?: { bindings: { name: string; class_name: string }[] };
  ratelimits?: { name: string; simple: { limit: number; period: 10 | 60 } }[];
}

/** Runs the Worker of this checkout on workerd, with local R2, KV, D1 and Durable Objects. Listens on loopback only. */
export async function serve(options: ServeOptions): Promise<Service> {
  const file = options.configFile ?? join(ROOT, 'wrangler.toml');
  const toml = parse(await readFile(file, 'utf8')) as unknown as WranglerFile;
  await mkdir(options.state, { recursive: true });
  await buildBrowser();
  const onLog = options.onLog ?? ((line: string) => process.stdout.write(`${line}\n`));
  const vars = { ...toml.vars, ...(options.devVars === false ? {} : await devVars()), ...options.vars } as Record<
    string,
    never
  >;
  const others = SIGNALS.map((signal) => new Set(process.listeners(signal)));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      // The runtime's own socket serves the Worker without Miniflare's proxy in between; only https needs the proxy.
      port: options.tls === undefined ? 0 : options.port,
      ...(options.tls === undefined ? {} : { httpsKey: options.tls.key, httpsCert: options.tls.cert }),
      log: new Log(LogLevel.ERROR),
      logRequests: false,
      handleStructuredLogs: ({ message }) => onLog(message),
      telemetry: { enabled: false },
      ...(options.inspect === true ? { inspectorPort: 0 } : {}),
      cf: false,
      unsafeTriggerHandlers: true,
      resourcePersistencePath: options.state,
      workers: [
        {
          name: WORKER_NAME,
          modules: [{ type: 'ESModule', path: 'worker.js', contents: await bundle(join(ROOT, toml.main)) }],
          compatibilityDate: toml.compatibility_date,
          compatibilityFlags: toml.compatibility_flags ?? [],
          bindings: vars,
          // Not Miniflare's own assets: their router stands before the Worker and would fold dot segments in paths.
          ...(toml.assets === undefined ? {} : { serviceBindings: { [toml.assets.binding]: asset } }),
          ...(options.tls === undefined ? { unsafeDirectSockets: [{ host: '127.0.0.1', port: options.port }] } : {}),
          r2Buckets: [...(toml.r2_buckets ?? []).map((bucket) => bucket.binding), ...(options.r2Buckets ?? [])],
          kvNamespaces: (toml.kv_namespaces ?? []).map((namespace) => namespace.binding),
          d1Databases: (toml.d1_databases ?? []).map((database) => database.binding),
          ratelimits: Object.fromEntries(
            Object.entries({
              ...Object.fromEntries((toml.ratelimits ?? []).map(({ name, simple }) => [name, simple])),
              ...options.limiters,
            }).map(([name, simple]) => [name, { namespace_id: name, simple }]),
          ),
          durableObjects: Object.fromEntries(
            (toml.durable_objects?.bindings ?? []).map(({ name, class_name }) => [
              name,
              { className: class_name, useSQLite: true },
            ]),
          ),
        },
      ],
    }),
  );
  const proxyUrl = (await miniflare.ready).origin;
  // Miniflare ends the process at once on a signal; stop() must write the upload log first.
  for (const [index, signal] of SIGNALS.entries()) {
    for (const listener of process.listeners(signal)) {
      if (!others[index]?.has(listener)) process.off(signal, listener);
    }
    process.once(signal, () => void stop().finally(() => process.exit(0)));
  }
  const url = options.tls === undefined ? (await miniflare.unsafeGetDirectURL()).origin : proxyUrl;
  for (const database of toml.d1_databases ?? []) {
    await applyMigrations(
      await miniflare.getD1Database(database.binding),
      join(ROOT, database.migrations_dir ?? 'migrations'),
    );
  }
  const api = async (path: string, record?: unknown): Promise<unknown> => {
    const response = await miniflare.dispatchFetch(`${url}/arvados/v1/${path}`, {
      method: record === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${String(vars.SYSTEM_ROOT_TOKEN)}`, 'Content-Type': 'application/json' },
      ...(record === undefined ? {} : { body: JSON.stringify(record) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${answer}`);
    return JSON.parse(answer);
  };
  let stopped: Promise<void> | null = null;
  const drainAndEnd = async () => {
    // Flushes the upload log first: a reader of it gets all entries.
    await api('upload_log?limit=0').catch(() => {});
    await miniflare.dispose();
  };
  const stop = () => {
    stopped ??= drainAndEnd();
    return stopped;
  };
  return {
    url,
    inspectorUrl: options.inspect === true ? (await miniflare.getInspectorURL()).href : null,
    workerdPid: () => workerdPidOf(process.pid),
    scheduled: async () => {
      const response = await miniflare.dispatchFetch(`${proxyUrl}/cdn-cgi/local/scheduled`);
      const body = await response.text();
      if (!response.ok) throw new Error(`the cron handler failed: ${response.status} ${body}`);
    },
    r2Bucket: (binding) => miniflare.getR2Bucket(binding),
    evictObjects: async (className) => {
      const ids = await miniflare.listDurableObjectIds(className);
      for (const id of ids) await miniflare.unsafeEvictDurableObject(WORKER_NAME, className, { id });
    },
    api,
    stop,
  };
}

const ASSET_TYPES: Record<string, string> = { js: 'text/javascript', svg: 'image/svg+xml' };

/** The platform's static assets, as the Worker asks for them: one file by its name. */
async function asset({ url }: { url: string }): Promise<RuntimeResponse> {
  const name = new URL(url).pathname.slice(1);
  const contents = await readFile(join(ASSETS, name)).catch(() => null);
  if (contents === null) return new RuntimeResponse('Not Found', { status: 404 });
  const type = ASSET_TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
  return new RuntimeResponse(contents, {
    headers: { 'Content-Type': type, 'Cache-Control': 'public, max-age=0, must-revalidate' },
  });
}

async function bundle(main: string): Promise<string> {
  const result = await build({
    entryPoints: [main],
    bundle: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    write: false,
    logLevel: 'silent',
    sourcemap: 'inline',
  });
  return result.outputFiles[0]?.text ?? '';
}

/** `.dev.vars` is dotenv: NAME=value, values optionally quoted, tables as JSON. */
async function devVars(): Promise<Record<string, string>> {
  const text = await readFile(join(ROOT, '.dev.vars'), 'utf8').catch(() => '');
  const { parseEnv } = await import('node:util');
  return parseEnv(text) as Record<string, string>;
}

/** Applies the migrations that this database has not seen, in the order of their names, in wrangler's own bookkeeping table. */
async function applyMigrations(
  database: Awaited<ReturnType<Miniflare['getD1Database']>>,
  directory: string,
): Promise<void> {
  const files = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith('.sql')).sort();
  if (files.length === 0) return;
  await database.exec(
    'CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
  );
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const applied = new Set(results.map((row) => row.name));
  for (const name of files.filter((file) => !applied.has(file))) {
    const sql = await readFile(join(directory, name), 'utf8');
    await database.batch([
      ...sqlStatements(sql).map((statement) => database.prepare(statement)),
      database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(name),
    ]);
  }
}

/** Process id of the workerd that a process started. */
export function workerdPidOf(parent: number): number {
  const { readdirSync, readFileSync } = process.getBuiltinModule('node:fs');
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, , ppid] = /^\d+ \((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8')) ?? [];
      if (name === 'workerd' && Number(ppid) === parent) return Number(entry);
    } catch {
      // the process ended while we looked
    }
  }
  throw new Error('workerd is not running');
}
