import type { Facts, Finding } from './finding.ts';

const REQUIRED_SECRETS = ['SYSTEM_ROOT_TOKEN', 'BLOB_SIGNING_KEY'];

export function judgeSecrets(secrets: Facts[]): Finding[] {
  const isSet = (wanted: string) => secrets.some(({ name, isSet: set }) => name === wanted && set === true);
  const there = secrets.filter(({ isSet: set }) => set === true).map(({ name }) => name);
  const findings: Finding[] = [{ state: 'good', what: `secrets: ${there.join(', ')} are set` }];
  for (const { name, weakness } of secrets) {
    if (typeof weakness !== 'string') continue;
    const advice =
      name === 'BLOB_SIGNING_KEY'
        ? "Change it as docs/operate.md says (Keys and how to change them); beside a cluster it is the cluster's."
        : `openssl rand -hex 32 | npx wrangler secret put ${name}`;
    findings.push({ state: 'bad', what: `secrets: ${name} ${weakness}`, advice });
  }
  for (const name of REQUIRED_SECRETS.filter((one) => !isSet(one)))
    findings.push({ state: 'bad', what: `secrets: ${name} is missing`, advice: `npx wrangler secret put ${name}` });
  if (!isSet('MANAGEMENT_TOKEN'))
    findings.push({
      state: 'unknown',
      what: 'secrets: without MANAGEMENT_TOKEN /metrics and /_health/ping are closed',
      advice: 'openssl rand -hex 32 | npx wrangler secret put MANAGEMENT_TOKEN',
    });
  if (isSet('BLOB_SIGNING_KEY_PREVIOUS'))
    findings.push({
      state: 'unknown',
      what: 'secrets: BLOB_SIGNING_KEY_PREVIOUS is still accepted',
      advice: 'One BLOB_SIGNING_TTL after the change: npx wrangler secret delete BLOB_SIGNING_KEY_PREVIOUS',
    });
  return findings;
}

export function judgeSettings({ settings }: Facts): Finding[] {
  const { blobSigning, trustAllContent } = settings as Facts;
  const findings: Finding[] = [];
  if (blobSigning !== true)
    findings.push({
      state: 'bad',
      what: 'settings: BLOB_SIGNING is off, so anyone who knows a hash may read the block',
      advice: 'Set BLOB_SIGNING = "true" in wrangler.toml.',
    });
  if (trustAllContent === true)
    findings.push({
      state: 'unknown',
      what: "settings: TRUST_ALL_CONTENT shows people's files on one origin: a page among them can act as its reader",
    });
  return findings;
}

export function judgeCache({ cache, settings }: Facts, apiUrl: string): Finding {
  const { edgeCache } = settings as Facts;
  const host = new URL(apiUrl).hostname;
  const isWorkersDev = host.endsWith('.workers.dev');
  const kind = isWorkersDev
    ? `${host} is a workers.dev address`
    : `${host} is ${isLoopback(apiUrl) ? 'this machine' : 'a domain of its own'}`;
  if (edgeCache === 'off')
    return { state: 'good', what: `host: ${kind}; EDGE_CACHE is off: every read goes to the store` };
  if (edgeCache === 'tiered')
    return { state: 'good', what: `host: ${kind}; EDGE_CACHE is tiered, which works on both` };
  const { keeps, error } = cache as Facts;
  if (keeps === true && !isWorkersDev)
    return { state: 'good', what: `host: ${kind}; the edge cache keeps what was read` };
  const why = isWorkersDev
    ? 'there is no edge cache on it'
    : `the edge cache keeps nothing${error === undefined ? '' : ` (${error})`}`;
  return {
    state: 'unknown',
    what: `host: ${kind}: ${why}, every read goes to the store`,
    advice:
      'Give the Worker a custom domain ([[routes]] in wrangler.toml, not behind Cloudflare Access), or EDGE_CACHE = "tiered".',
  };
}

export function judgeVolumes({ volumes, mode }: Facts): Finding[] {
  if (!Array.isArray(volumes)) return [{ state: 'bad', what: `volumes: ${(volumes as Facts).error}` }];
  if (volumes.length === 0)
    return mode === 'proxy'
      ? []
      : [{ state: 'bad', what: 'volumes: none', advice: 'Add a table below [vars.VOLUMES] to wrangler.toml.' }];
  return (volumes as Facts[]).map(({ uuid, deviceId, allowWrite, ms, problem, isWritten }): Finding => {
    const what = `volume ${uuid} (${deviceId})`;
    if (problem !== null)
      return {
        state: 'bad',
        what: `${what}: ${String(problem)}`,
        advice: 'Does the bucket exist, is the binding right, may the key read, write and delete?',
      };
    const did =
      isWritten === true ? 'takes an object and deletes it' : allowWrite === true ? 'answers' : 'answers, read-only';
    return { state: 'good', what: `${what}: ${did}, in ${ms} ms` };
  });
}

/** Whether the service runs on this machine. */
export function isLoopback(apiUrl: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(new URL(apiUrl).hostname);
}
