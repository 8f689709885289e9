import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { localCertificate } from './certificate.ts';
import { createFirstAdmin, signInLink } from './first-start.ts';
import { isRoutine, readableLine } from './log-lines.ts';
import { ROOT, type Service, serve } from './serve.ts';
import { takeState } from './state-lock.ts';

/**
 * `npm start`: the whole service on this machine, no account needed.
 * Environment: PORT (8787), KEEP_EDGE_STATE (.keep-edge). `--config FILE` takes another wrangler.toml,
 * `--vars FILE` lays a JSON object of vars over it, `--r2 NAME` adds a local R2 bucket binding, `--https` serves with a
 * self-signed certificate (the Arvados SDKs require https).
 * On a terminal each request is logged as one readable line; `--json` and a pipe get the Worker's own JSON lines.
 */
const { values: flags } = parseArgs({
  options: {
    config: { type: 'string' },
    vars: { type: 'string' },
    r2: { type: 'string', multiple: true },
    https: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const state = process.env.KEEP_EDGE_STATE || join(ROOT, '.keep-edge');
const port = Number(process.env.PORT || 8787);
checkState();
await checkPort(port);
await createDevVars();
/** Requests before the ready message are this program's own: only failures are logged. */
let isReady = false;
const vars: Record<string, unknown> = flags.vars === undefined ? {} : JSON.parse(await readFile(flags.vars, 'utf8'));
const service = await serve({
  port,
  state,
  ...(flags.config === undefined ? {} : { configFile: flags.config }),
  vars,
  ...(flags.https ? { tls: await localCertificate(state) } : {}),
  r2Buckets: flags.r2 ?? [],
  onLog: log,
});
printReady(service.url, await prepareAccounts(service));
isReady = true;

// The local runtime runs no cron: this stands in for the Worker's trigger of every five minutes.
const cron = setInterval(() => void service.scheduled().catch((error) => console.error(String(error))), 5 * 60_000);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => clearInterval(cron));

function log(line: string): void {
  if (!isReady && isRoutine(line)) return;
  process.stdout.write(`${process.stdout.isTTY && !flags.json ? readableLine(line) : line}\n`);
}

/** Two services on one state directory would write over each other's rows and objects. */
function checkState(): void {
  if (takeState(state)) return;
  const near = relative(process.cwd(), state);
  const place = near === '' || near.startsWith('..') ? state : near;
  console.error(
    `Another npm start is running on ${place}. Stop it, or take another place and port: KEEP_EDGE_STATE=${place}-2 PORT=8788 npm start`,
  );
  process.exit(1);
}

/** A port in use is the most common failure: reported in one sentence before anything is changed. */
async function checkPort(port: number): Promise<void> {
  const probe = createServer();
  const problem = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    probe.once('error', resolve);
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(null)));
  });
  if (problem === null) return;
  const why = problem.code === 'EADDRINUSE' ? 'is in use' : `cannot be listened on (${problem.message})`;
  console.error(`Port ${port} ${why}. Take another one: PORT=8788 npm start`);
  process.exit(1);
}

/** Development secrets are made at first start and never leave this checkout: `.dev.vars` is not in git. */
async function createDevVars(): Promise<void> {
  const file = join(ROOT, '.dev.vars');
  if (existsSync(file)) return;
  const secret = () => randomBytes(32).toString('hex');
  const lines = ['SYSTEM_ROOT_TOKEN', 'BLOB_SIGNING_KEY', 'MANAGEMENT_TOKEN'].map((name) => `${name}=${secret()}`);
  await writeFile(file, `# Secrets of local runs, made at first start. Not for deployment.\n${lines.join('\n')}\n`, {
    mode: 0o600,
  });
}

/** Beside a cluster there is nothing to prepare: it has the users. */
async function prepareAccounts(started: Service): Promise<string> {
  const { API_HOST } = { ...parseEnv(await readFile(join(ROOT, '.dev.vars'), 'utf8')), ...vars };
  if (API_HOST) return '';
  const { token, file } = await createFirstAdmin(state, started.api);
  const link = await signInLink(started.url, file);
  const made =
    token === null
      ? ''
      : `First start: user admin was made. Its token is printed this once and kept in ${file}:\n\n  ${token}\n`;
  const { host } = new URL(started.url);
  const fromFile = `$(cat ${relative(process.cwd(), file) || file})`;
  const lines = flags.https
    ? `\n  export ARVADOS_API_HOST=${host}\n  export ARVADOS_API_TOKEN=${fromFile}\n  export ARVADOS_API_HOST_INSECURE=1\n`
    : '\n  For the Arvados SDKs start with `npm start -- --https`.\n';
  return `${link === null ? '' : `\n  In a browser, signed in as admin (once, within an hour):\n  ${link}\n\n`}${made}${lines}${s3Lines(started.url, fromFile)}`;
}

/** For programs that speak S3: collections are buckets (docs/s3.md). */
function s3Lines(url: string, token: string): string {
  const options = flags.https ? ' --no-verify-ssl' : '';
  const insecure = flags.https ? 'ARVADOS_API_HOST_INSECURE=1 ' : '';
  const rclone = flags.https ? ' --no-check-certificate' : '';
  return `
  eval "$(${insecure}ARVADOS_API_HOST=${url} ARVADOS_API_TOKEN=${token} npx keep-edge s3-key)"
  aws${options} s3 mb s3://first-bucket; aws${options} s3 cp README.md s3://first-bucket/; aws${options} s3 ls s3://first-bucket
  rclone${rclone} --s3-provider Other --s3-env-auth --s3-endpoint ${url} ls :s3:first-bucket
`;
}

function printReady(url: string, accounts: string): void {
  console.log(`Keep edge ready at ${url} (state in ${state}; the root token is SYSTEM_ROOT_TOKEN in .dev.vars)
${accounts}
  export TOKEN=$(sed -n 's/^SYSTEM_ROOT_TOKEN=//p' .dev.vars)
  printf 'hello, keep' > hello.txt; LOCATOR=$(curl -sf${flags.https ? 'k' : ''} -H "Authorization: Bearer $TOKEN" -T hello.txt ${url}/$(md5sum < hello.txt | cut -c1-32)); echo $LOCATOR
  curl -sf${flags.https ? 'k' : ''} -H "Authorization: Bearer $TOKEN" ${url}/$LOCATOR
  curl -sf${flags.https ? 'k' : ''} -H "Authorization: Bearer $TOKEN" ${url}/mounts
`);
}
