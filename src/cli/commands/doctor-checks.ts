import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import type { Finding } from '../../deployment/finding.ts';
import { plural } from '../../keep/human-format.ts';
import type { Transport } from '../../services/transport.ts';
import { startOfText } from '../../streams/bounded-text.ts';
import { type Api, ApiError } from '../api-client.ts';
import { makeDirectories } from '../fs-path.ts';
import { checkpointFile } from '../put/checkpoint.ts';
import type { ClusterFacts, Session } from '../session.ts';
import type { Settings } from '../settings.ts';

/** No retries: an outage is a finding. */
export const ONE_TRY = { rounds: 1, firstPauseMs: 0, maxPauseMs: 0 };

const MAX_SKEW_SECONDS = 60;
const ASK_TIMEOUT_MS = 20_000;
const MAX_HEALTH_BYTES = 4096;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function checkCache(): Finding {
  const directory = dirname(checkpointFile([]));
  try {
    makeDirectories(directory, 0o700);
    accessSync(directory, constants.W_OK);
    return { state: 'good', what: `checkpoints of uploads: ${directory}` };
  } catch (error) {
    const advice = 'No upload can be resumed without it: set XDG_CACHE_HOME to a directory that you can write.';
    return { state: 'bad', what: `checkpoints of uploads: ${messageOf(error)}`, advice };
  }
}

export async function checkApi(session: Session, transport: Transport): Promise<Finding> {
  const before = performance.now();
  try {
    const { clusterId, replication, signatureTtlSeconds } = await session.facts();
    const ms = Math.round(performance.now() - before);
    const facts = `cluster ${clusterId}, ${plural(replication, 'copy', 'copies')}, signatures for ${signatureTtlSeconds / 3600} h`;
    return { state: 'good', what: `API server: answers in ${ms} ms, ${facts}` };
  } catch (error) {
    const finding: Finding = { state: 'bad', what: `API server: ${messageOf(error)}` };
    if (!(error instanceof ApiError && error.status === 503)) return finding;
    const health = ask(`${session.settings.apiUrl}/_health/ping`, transport);
    const said = await health.then((answer) => startOfText(answer, MAX_HEALTH_BYTES)).catch(() => '');
    if (!said.includes('not configured')) return finding;
    const advice =
      'Its configuration is wrong: npx wrangler tail shows a line for this request that lists every setting with what to write.';
    return { ...finding, advice };
  }
}

export async function checkClock({ apiUrl }: Settings, transport: Transport): Promise<Finding> {
  const date = await serverTime(apiUrl, transport).catch(() => Number.NaN);
  if (Number.isNaN(date)) return { state: 'unknown', what: 'clock: not checked, the server does not say its time' };
  const skew = Math.round((Date.now() - date) / 1000);
  if (Math.abs(skew) <= MAX_SKEW_SECONDS) return { state: 'good', what: "clock: the same as the server's" };
  const advice = 'Set the clock (NTP): what has expired, and what has to be renewed, is judged by it.';
  return { state: 'bad', what: `clock: ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} the server's`, advice };
}

/** Milliseconds since 1970; NaN without a Date header. */
async function serverTime(apiUrl: string, transport: Transport): Promise<number> {
  const { headers, body } = await ask(`${apiUrl}/discovery/v1/apis/arvados/v1/rest`, transport);
  await body?.cancel();
  return Date.parse(headers.get('Date') ?? '');
}

/** One GET without a token. */
export function ask(url: string, transport: Transport): Promise<Response> {
  return transport.send({
    method: 'GET',
    url,
    headers: {},
    connectTimeoutMs: ASK_TIMEOUT_MS,
    signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
  });
}

/** Whose token it is, and whether that user may read blocks. */
export async function checkToken(api: Api): Promise<{ finding: Finding; mayRead: boolean }> {
  try {
    const user = await api('arvados/v1/users/current');
    const who = [user.full_name ?? user.username, user.email, user.uuid].filter(Boolean).join(', ');
    const isUploader = user.is_uploader === true;
    const what = `token: ${who}${user.is_admin === true ? ', admin' : ''}${isUploader ? ', may only upload' : ''}`;
    if (user.is_active !== false) return { finding: { state: 'good', what }, mayRead: !isUploader };
    const advice = 'The account is not active: ask an admin to activate it.';
    return { finding: { state: 'bad', what, advice }, mayRead: false };
  } catch (error) {
    const isRefused = error instanceof ApiError && (error.status === 401 || error.status === 403);
    const advice = 'Get a token (on Workbench: "Get API token"; of a local service: its admin-token file) and set it.';
    const finding: Finding = { state: 'bad', what: `token: ${messageOf(error)}`, ...(isRefused ? { advice } : {}) };
    return { finding, mayRead: false };
  }
}

/** Whether the services together make as many copies as uploads ask for. */
export function checkCopies(copies: readonly number[], { replication }: Pick<ClusterFacts, 'replication'>): Finding {
  const made = copies.reduce((sum, count) => sum + count, 0);
  const what = `copies: uploads want ${replication}, the services make ${made}`;
  if (made >= replication) return { state: 'good', what };
  return {
    state: 'bad',
    what,
    advice: `Uploads will fail unless they say --replication ${Math.max(1, made)}: add volumes, or lower the cluster's DefaultReplication.`,
  };
}
