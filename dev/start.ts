import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, serve } from './serve.ts';

/**
 * `npm start`: the whole service on this machine, no account needed.
 * Environment: PORT (8787), KEEP_EDGE_STATE (.keep-edge). `--config FILE` takes another wrangler.toml,
 * `--vars FILE` lays a JSON object of vars over it, `--r2 NAME` adds a local R2 bucket binding.
 */
const { values: flags } = parseArgs({
  options: {
    config: { type: 'string' },
    vars: { type: 'string' },
    r2: { type: 'string', multiple: true },
  },
});

const state = process.env.KEEP_EDGE_STATE || join(ROOT, '.keep-edge');
await createDevVars();
const service = await serve({
  port: Number(process.env.PORT || 8787),
  state,
  ...(flags.config === undefined ? {} : { configFile: flags.config }),
  ...(flags.vars === undefined ? {} : { vars: JSON.parse(await readFile(flags.vars, 'utf8')) }),
  r2Buckets: flags.r2 ?? [],
});
printReady(service.url);

// The local runtime has no cron of its own: the Worker's trigger is every five minutes.
const cron = setInterval(() => void service.scheduled().catch((error) => console.error(String(error))), 5 * 60_000);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    clearInterval(cron);
    void service.stop().finally(() => process.exit(0));
  });
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

function printReady(url: string): void {
  console.log(`Keep edge ready at ${url} (state in ${state}; the root token is SYSTEM_ROOT_TOKEN in .dev.vars)

  export TOKEN=$(sed -n 's/^SYSTEM_ROOT_TOKEN=//p' .dev.vars)
  printf 'hello, keep' > hello.txt; LOCATOR=$(curl -sf -H "Authorization: Bearer $TOKEN" -T hello.txt ${url}/$(md5sum < hello.txt | cut -c1-32)); echo $LOCATOR
  curl -sf -H "Authorization: Bearer $TOKEN" ${url}/$LOCATOR
  curl -sf -H "Authorization: Bearer $TOKEN" ${url}/mounts
`);
}
