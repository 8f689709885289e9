import { createHash, randomFillSync } from 'node:crypto';
import type { Finding } from '../../deployment/finding.ts';
import { formatBytes, plural } from '../../keep/human-format.ts';
import { createKeepClient } from '../../services/keep-client.ts';
import type { KeepService } from '../../services/keep-service.ts';
import { sourceOfBytes } from '../../services/put-block.ts';
import { fixedServices } from '../../services/service-source.ts';
import { ServicesError } from '../../services/services-error.ts';
import { createApi, type Row } from '../api-client.ts';
import type { createNodePlatform } from '../node-platform.ts';
import type { Settings } from '../settings.ts';
import { messageOf, ONE_TRY } from './doctor-checks.ts';

export interface ServiceExamination {
  settings: Settings;
  platform: ReturnType<typeof createNodePlatform>;
  /** 0 stores nothing. */
  testBytes: number;
  mayRead: boolean;
}

/** @returns `copies` that the service made of the test block; null when it was not asked, or failed */
export async function checkService(
  service: KeepService,
  { settings, platform, testBytes, mayRead }: ServiceExamination,
): Promise<{ findings: Finding[]; copies: number | null }> {
  const { url } = service;
  const findings = await mountFindings(service, settings);
  if (service.readOnly) findings.push({ state: 'good', what: `${url}: read-only` });
  if (service.readOnly || testBytes === 0) return { findings, copies: null };
  const keep = createKeepClient({
    services: fixedServices([service]),
    token: settings.token,
    platform,
    retry: ONE_TRY,
  });
  const bytes = randomFillSync(new Uint8Array(testBytes));
  const hash = createHash('md5').update(bytes).digest('hex');
  const rate = (since: number) => `${formatBytes(Math.round((testBytes * 1000) / (performance.now() - since)))}/s`;
  let copies: number | null = null;
  try {
    let since = performance.now();
    const { locator, replicas } = await keep.put(sourceOfBytes(hash, bytes), { replicas: 1 });
    copies = replicas;
    findings.push({ state: 'good', what: `${url}: writes ${formatBytes(testBytes)} at ${rate(since)}` });
    if (mayRead) {
      since = performance.now();
      await keep.getVerified(locator);
      findings.push({ state: 'good', what: `${url}: reads it back at ${rate(since)}` });
    }
  } catch (error) {
    const verb = copies === null ? 'does not take a block' : 'does not give it back';
    findings.push({ state: 'bad', what: `${url}: ${verb}: ${saidBy(error)}`, advice: adviceFor(error) });
  }
  return { findings, copies };
}

function saidBy(error: unknown): string {
  if (!(error instanceof ServicesError)) return messageOf(error);
  return error.answers.map(({ status, reason }) => [status, reason].filter(Boolean).join(' ')).join('; ');
}

function adviceFor(error: unknown): string {
  const status = error instanceof ServicesError ? (error.answers[0]?.status ?? null) : null;
  if (status === 401 || status === 403) return 'The token may not do this: ask an admin what it is meant for.';
  if (status === 507) return 'Its volumes are full.';
  if (status !== null && status >= 500)
    return 'Is there a volume that it may write to, and does its storage answer? Its log says what failed.';
  return 'Can this machine reach that address? Is the service running? A proxy or a firewall may be in between.';
}

/** Only the system root token may list volumes; empty for others. */
async function mountFindings({ url }: KeepService, settings: Settings): Promise<Finding[]> {
  const api = createApi({ ...settings, apiUrl: url }, { retry: ONE_TRY });
  try {
    const mounts = (await api('mounts')) as unknown as Row[];
    if (mounts.length === 0)
      return [
        { state: 'bad', what: `${url}: has no volumes`, advice: 'Add tables below [vars.VOLUMES] to wrangler.toml.' },
      ];
    const findings = mounts.map((mount): Finding => {
      const rights = `${mount.allow_write === true ? 'writable' : 'read-only'}, ${plural(Number(mount.replication), 'copy', 'copies')}`;
      return { state: 'good', what: `${url}: volume ${mount.uuid}, ${mount.device_id}, ${rights}` };
    });
    if (mounts.every(({ allow_write }) => allow_write !== true))
      findings.push({
        state: 'bad',
        what: `${url}: every volume is read-only`,
        advice: 'Nothing can be stored there: ReadOnly stands in the tables below [vars.VOLUMES] of wrangler.toml.',
      });
    return findings;
  } catch {
    return [];
  } finally {
    api.close();
  }
}
