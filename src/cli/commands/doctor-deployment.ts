import type { Finding } from '../../deployment/finding.ts';
import { judgeDeployment } from '../../deployment/judge-deployment.ts';
import { isLoopback } from '../../deployment/judge-settings.ts';
import type { Transport } from '../../services/transport.ts';
import { type Api, ApiError, type Row } from '../api-client.ts';
import { oneLine } from '../terminal.ts';
import { ask } from './doctor-checks.ts';
import { checkConfigFile } from './doctor-config-file.ts';

export interface DeploymentCheck {
  apiUrl: string;
  /** Also try to write to each volume. */
  write: boolean;
  transport: Transport;
  /** The wrangler.toml that was deployed; null: the one in the current directory. */
  configFile: string | null;
}

/** What the service says of its own deployment. Nothing on other kinds of servers. */
export async function checkDeployment(
  api: Api,
  { apiUrl, write, transport, configFile }: DeploymentCheck,
): Promise<Finding[]> {
  try {
    const facts = await api('keep-edge/v1/deployment', { method: write ? 'POST' : 'GET', patient: false });
    if (facts.bindings === undefined) return [];
    return [
      ...judgeDeployment(facts, { apiUrl, now: Date.now() }).map(inOneLine),
      ...(await checkOwnHosts(facts, transport)),
      ...(isLoopback(apiUrl) && configFile === null ? [] : checkConfigFile(configFile)),
    ];
  } catch (error) {
    const status = error instanceof ApiError ? error.status : null;
    if (status === 404) return [];
    if (status === 403 || status === 401)
      return [{ state: 'unknown', what: "deployment: not looked at, because only an admin's token is told about it" }];
    const what = error instanceof Error ? error.message : String(error);
    return [{ state: 'bad', what: `deployment: ${what}`, advice: 'npx wrangler tail shows what failed.' }];
  }
}

/** Whether a host of a collection's own leads to a service: that takes a wildcard DNS record, a certificate and a route. */
async function checkOwnHosts({ settings }: Row, transport: Transport): Promise<Finding[]> {
  const { collectionsUrl } = settings as Row;
  if (typeof collectionsUrl !== 'string') return [];
  try {
    const { body } = await ask(`${exampleOfHosts(collectionsUrl)}/`, transport);
    await body?.cancel();
    return [{ state: 'good', what: `collections' own hosts: ${collectionsUrl} answers` }];
  } catch (error) {
    return [
      {
        state: 'bad',
        what: `collections' own hosts: ${collectionsUrl}: ${error instanceof Error ? error.message : String(error)}`,
        advice: 'They need a wildcard DNS record, a certificate for it and a route: docs/operate.md, Choose the host.',
      },
    ];
  }
}

/** What a server says may have several lines. */
function inOneLine({ state, what, advice }: Finding): Finding {
  return { state, what: oneLine(what), ...(advice === undefined ? {} : { advice: oneLine(advice) }) };
}

/** An address of a host of collections' own, from WEBDAV. */
function exampleOfHosts(collectionsUrl: string): string {
  return collectionsUrl.replace('*', 'xxxxx-4zz18-000000000000000');
}
